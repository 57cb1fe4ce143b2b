//! Accounts become active: their state is asked for, and who needs it waits in order.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{Chat, Command, Loading, Output, Parked};
use crate::account::Account;
use crate::config::{PARKED_MAX, ROUTES_MAX};
use crate::context::Route;
use crate::features;
use crate::id::{QueryId, StreamId, Ticket};
use crate::jid::AccountId;
use crate::stanza::{Stanza, StanzaError};
use crate::stream::{Login, StreamErrorCondition};
use crate::time::Now;
use crate::transaction::{Answer, Query, StorageError};

/// Who waited for an account that is there now, or is not to be had.
pub(super) struct Arrived {
    absent: Option<Absent>,
    logins: VecDeque<(StreamId, Box<Login>)>,
    streams: VecDeque<StreamId>,
}

/// An account that could not be loaded, and what who addresses it is told.
#[derive(Clone)]
pub(super) struct Absent {
    pub(super) account: AccountId,
    pub(super) error: StanzaError,
}

impl Chat {
    /// Has a stream's element wait for an account.
    pub(super) fn park(&mut self, stream: StreamId, element: Arc<Stanza>, needed: AccountId) {
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
        self.load(login.account).logins.push((stream, login));
    }

    /// Has a command wait for its account.
    pub(super) fn await_account(&mut self, account: AccountId, id: u64, command: Command) {
        self.touched.clear();
        self.load(account).commands.push((id, command));
    }

    /// Has a stanza wait for its account.
    pub(super) fn route_when_loaded(
        &mut self,
        id: AccountId,
        route: &Route,
    ) -> Result<(), StanzaError> {
        let waiting = &mut self.load(id).routes;
        if waiting.len() == ROUTES_MAX {
            return Err(StanzaError::resource_constraint());
        }
        waiting.push(route.clone());
        Ok(())
    }

    fn load(&mut self, id: AccountId) -> &mut Loading {
        if !self.loading.contains_key(&id) {
            let query = self.effects.next_query;
            self.effects.next_query = QueryId(query.0 + 1);
            self.loads.insert(query, id);
            // Storage answers from what is committed, and the account may have been dropped with
            // changes under way.
            let newest = Ticket(self.next_ticket.0 - 1);
            self.hold(newest, Output::Ask { id: query, query: Query::Account(id) });
        }
        self.loading.entry(id).or_default()
    }

    /// An account's state is there, or is not to be had.
    pub(super) fn finish_loading(
        &mut self,
        now: Now,
        query: QueryId,
        answer: Result<Answer, StorageError>,
    ) {
        let Some(id) = self.loads.remove(&query) else { return };
        let waiting = self.loading.remove(&id).unwrap_or_default();
        let absent = match answer {
            Ok(Answer::Account(Some(stored))) => {
                let mut account = Account::load(id, &self.config.domain, *stored);
                account.used_ms = now.elapsed_ms;
                self.accounts.insert(id, Box::new(account));
                None
            }
            Ok(_) => Some(StanzaError::service_unavailable()),
            Err(_) => Some(StanzaError::internal_server_error()),
        };
        let absent = absent.map(|error| Absent { account: id, error });
        if absent.is_none() {
            self.in_account(now, id, features::activate);
            self.effects.routes.extend(waiting.routes);
            self.finish(now, None);
        }
        for (id, command) in waiting.commands {
            match &absent {
                None => self.carry_out(now, id, command),
                Some(absent) => {
                    let result = Err(StorageError::NoAccount { account: absent.account });
                    self.ready.push_back(Output::Done { id, result });
                }
            }
        }
        let (logins, streams) = (waiting.logins.into(), waiting.streams.into());
        self.arrived.push_back(Arrived { absent, logins, streams });
    }

    /// Lets those go on who waited for an account. A panic of one leaves the others waiting here
    /// for the next input.
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
