//! Accounts and rooms become active: their state is asked for, and who needs it waits in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Chat, Command, Loading, Output, Parked};
use crate::account::Account;
use crate::config::{PARKED_MAX, ROUTES_MAX};
use crate::context::{ContinueInRoom, Entity, Route};
use crate::features;
use crate::id::{QueryId, StreamId, Ticket};
use crate::jid::{AccountId, RoomId};
use crate::rooms::{self, Order, Room};
use crate::stanza::{Stanza, StanzaError};
use crate::stream::{Login, StreamErrorCondition};
use crate::time::Now;
use crate::transaction::{Answer, Query, StorageError};

/// Who waited for an account or a room that is there now, or is not to be had.
pub(super) struct Arrived {
    absent: Option<Absent>,
    logins: VecDeque<(StreamId, Box<Login>)>,
    streams: VecDeque<StreamId>,
}

/// An account or a room that could not be loaded, and what who addresses it is told.
#[derive(Clone)]
pub(super) struct Absent {
    pub(super) entity: Entity,
    pub(super) error: StanzaError,
}

impl Chat {
    /// Has a stream's element wait for an account or a room.
    pub(super) fn park(&mut self, stream: StreamId, element: Arc<Stanza>, needed: Entity) {
        let Some(link) = self.streams.get_mut(&stream) else { return };
        link.parked.get_or_insert_default().elements.push_front(element);
        self.load(needed).streams.push(stream);
    }

    /// Has an element wait behind one that waits. Says whether it did.
    pub(super) fn queue_behind(&mut self, stream: StreamId, element: &Arc<Stanza>) -> bool {
        let Some(parked) = self.streams.get_mut(&stream).and_then(|link| link.parked.as_mut())
        else {
            return false;
        };
        if parked.is_closed.is_some() {
            return true;
        }
        if parked.elements.len() < PARKED_MAX {
            parked.elements.push_back(element.clone());
        } else {
            self.end_stream(stream, StreamErrorCondition::ResourceConstraint);
        }
        true
    }

    /// Has a login wait for its account.
    pub(super) fn await_login(&mut self, stream: StreamId, login: Box<Login>) {
        self.load(Entity::Account(login.account)).logins.push((stream, login));
    }

    /// Has a command wait for its account.
    pub(super) fn await_account(&mut self, account: AccountId, id: u64, command: Command) {
        self.touched.clear();
        self.load(Entity::Account(account)).commands.push((id, command));
    }

    /// Has a command wait for rooms.
    pub(super) fn await_rooms(&mut self, rooms: &[RoomId], id: u64, command: Command) {
        self.touched.clear();
        let mut command = Some((id, command));
        let is_missing = |room: &&RoomId| !self.rooms.contains_key(*room);
        let missing: Vec<RoomId> = rooms.iter().filter(is_missing).copied().collect();
        for room in missing.into_iter().take(ROOMS_AT_ONCE_MAX) {
            // The first one lets it go, to wait for the next.
            self.load(Entity::Room(room)).commands.extend(command.take());
        }
    }

    /// Has an answer wait for the room that asked.
    pub(super) fn answer_when_loaded(
        &mut self,
        room: RoomId,
        then: ContinueInRoom,
        answer: Result<Answer, StorageError>,
    ) {
        self.load(Entity::Room(room)).answers.push((then, answer));
    }

    /// Has a stanza wait for its account or room.
    pub(super) fn route_when_loaded(
        &mut self,
        id: Entity,
        route: &Route,
    ) -> Result<(), StanzaError> {
        let waiting = &mut self.load(id).routes;
        if waiting.len() == ROUTES_MAX {
            return Err(StanzaError::resource_constraint());
        }
        waiting.push(route.clone());
        Ok(())
    }

    /// Has an order wait for its room. Gives it back where too many wait.
    pub(super) fn order_when_loaded(&mut self, order: Order) -> Option<Order> {
        let waiting = &mut self.load(Entity::Room(order.room)).orders;
        if waiting.len() == ROUTES_MAX {
            return Some(order);
        }
        waiting.push(order);
        None
    }

    /// Has a room loaded for which nobody waits.
    pub(super) fn wake_room(&mut self, room: RoomId) {
        self.load(Entity::Room(room));
    }

    fn load(&mut self, id: Entity) -> &mut Loading {
        if !self.loading.contains_key(&id) {
            self.ask_for_state(id);
        }
        self.loading.entry(id).or_default()
    }

    fn ask_for_state(&mut self, id: Entity) {
        let query = self.effects.next_query;
        self.effects.next_query = QueryId(query.0 + 1);
        self.loads.insert(query, id);
        // Storage answers from what is committed, and the state may have been dropped with
        // changes under way.
        let newest = Ticket(self.next_ticket.0 - 1);
        let asked = match id {
            Entity::Account(id) => Query::Account(id),
            Entity::Room(id) => Query::Room(id),
        };
        self.hold(newest, Output::Ask { id: query, query: asked });
    }

    /// Accounts that are being loaded, and were changed by their rooms meanwhile, are asked for
    /// again.
    pub(super) fn note_stale(&mut self) {
        for account in std::mem::take(&mut self.effects.changed_unseen) {
            if let Some(loading) = self.loading.get_mut(&Entity::Account(account)) {
                loading.is_stale = true;
            }
        }
    }

    /// An account's or a room's state is there, or is not to be had.
    pub(super) fn finish_loading(
        &mut self,
        now: Now,
        query: QueryId,
        answer: Result<Answer, StorageError>,
    ) {
        let Some(id) = self.loads.remove(&query) else { return };
        let loading = self.loading.get_mut(&id);
        if loading.is_some_and(|loading| std::mem::take(&mut loading.is_stale)) {
            return self.ask_for_state(id);
        }
        let waiting = self.loading.remove(&id).unwrap_or_default();
        let absent = self.take_state(now, id, answer).err();
        let absent = absent.map(|error| Absent { entity: id, error });
        if absent.is_none() {
            match id {
                Entity::Account(id) => self.in_account(now, id, features::activate),
                Entity::Room(id) => self.in_room(now, id, |ctx| {
                    rooms::activate(ctx);
                    waiting.answers.into_iter().for_each(|(then, answer)| then(ctx, answer));
                }),
            };
            self.effects.routes.extend(waiting.routes);
            self.effects.orders.extend(waiting.orders);
        } else {
            for order in waiting.orders {
                self.refuse_order(now, &order);
            }
        }
        self.finish(now, None);
        self.let_commands_go(now, id, waiting.commands, absent.as_ref());
        let (logins, streams) = (waiting.logins.into(), waiting.streams.into());
        self.arrived.push_back(Arrived { absent, logins, streams });
    }

    fn let_commands_go(
        &mut self,
        now: Now,
        entity: Entity,
        commands: Vec<(u64, Command)>,
        absent: Option<&Absent>,
    ) {
        for (id, command) in commands {
            match (entity, absent) {
                (Entity::Account(account), Some(_)) => {
                    let result = Err(StorageError::NoAccount { account });
                    self.ready.push_back(Output::Done { id, result });
                }
                (Entity::Room(room), Some(absent)) => {
                    self.go_on_without(now, room, (id, command), &absent.error);
                }
                (_, None) => self.carry_out(now, id, command),
            }
        }
    }

    /// A command waited for a room that is not there, or could not be read.
    fn go_on_without(
        &mut self,
        now: Now,
        room: RoomId,
        (id, command): (u64, Command),
        error: &StanzaError,
    ) {
        match command {
            Command::Write { account, .. } if *error == StanzaError::item_not_found() => {
                self.in_account(now, account, |ctx| rooms::forget(ctx, room));
                self.carry_out(now, id, command);
            }
            _ => {
                let reason = format!("the room {room} cannot be read");
                let result = Err(StorageError::Failed { reason });
                self.ready.push_back(Output::Done { id, result });
            }
        }
    }

    fn take_state(
        &mut self,
        now: Now,
        id: Entity,
        answer: Result<Answer, StorageError>,
    ) -> Result<(), StanzaError> {
        let answer = answer.map_err(|_| StanzaError::internal_server_error())?;
        match (id, answer) {
            (Entity::Account(id), Answer::Account(Some(stored))) => {
                let mut account = Account::load(id, &self.config.domain, *stored);
                account.used_ms = now.elapsed_ms;
                if account.state.rooms.is_any() {
                    // What its rooms have is not newer than what anybody has, and may not be
                    // stored yet.
                    account.newest = self.effects.newest;
                    account.last_ticket = Ticket(self.next_ticket.0 - 1);
                    if let Some(pending) = self.pending.back_mut() {
                        // What waits for it is lost where that fails: its clients come again.
                        pending.entities.push(Entity::Account(id));
                    }
                }
                self.accounts.insert(id, Box::new(account));
                Ok(())
            }
            (Entity::Room(id), Answer::Room(Some(stored))) => {
                let room = Room::load(id, &self.config, *stored);
                let mut room = room.ok_or_else(StanzaError::internal_server_error)?;
                room.used_ms = now.elapsed_ms;
                self.rooms.insert(id, Box::new(room));
                Ok(())
            }
            (Entity::Account(_), _) => Err(StanzaError::service_unavailable()),
            (Entity::Room(_), _) => Err(StanzaError::item_not_found()),
        }
    }

    /// Lets those go on who waited for an account or a room. A panic of one leaves the others
    /// waiting here for the next input.
    pub(super) fn let_arrive(&mut self, now: Now) {
        while let Some(arrived) = self.arrived.front_mut() {
            if let Some((stream, login)) = arrived.logins.pop_front() {
                match &arrived.absent {
                    None => self.log_in(now, stream, login),
                    Some(_) => self.refuse_login(stream),
                }
            } else if let Some(stream) = arrived.streams.pop_front() {
                let absent = arrived.absent.clone();
                self.unpark(now, stream, absent.as_ref());
            } else {
                self.arrived.pop_front();
            }
        }
    }

    /// A stream ends while its login waits.
    pub(super) fn forget_login(&mut self, stream: StreamId) {
        for loading in self.loading.values_mut() {
            loading.logins.retain(|(waiting, _)| *waiting != stream);
        }
        for arrived in &mut self.arrived {
            arrived.logins.retain(|(waiting, _)| *waiting != stream);
        }
    }

    /// Goes on with a stream's elements until one waits again.
    fn unpark(&mut self, now: Now, stream: StreamId, absent: Option<&Absent>) {
        let Some(link) = self.streams.get_mut(&stream) else { return };
        let Some(mut parked) = link.parked.take() else { return };
        let mut absent = absent;
        while let Some(element) = parked.elements.pop_front() {
            self.run(now, stream, element, absent.take());
            let Some(link) = self.streams.get_mut(&stream) else { return };
            if let Some(waiting) = &mut link.parked {
                // It waits for another account now; the rest waits behind it.
                waiting.elements.append(&mut parked.elements);
                waiting.is_closed = parked.is_closed;
                return;
            }
        }
        if let Some(is_clean) = parked.is_closed {
            self.take_end(now, stream, is_clean);
        }
    }

    /// Notes that a stream ended while its elements wait. Says whether they do.
    pub(super) fn end_behind(&mut self, stream: StreamId, is_clean: bool) -> bool {
        let parked = self.streams.get_mut(&stream).and_then(|link| link.parked.as_mut());
        let waits = parked.is_some();
        if let Some(parked) = parked {
            let Parked { is_closed, .. } = &mut **parked;
            *is_closed = Some(is_clean);
        }
        waits
    }
}

/// Rooms that are loaded at once for one command.
const ROOMS_AT_ONCE_MAX: usize = 64;
