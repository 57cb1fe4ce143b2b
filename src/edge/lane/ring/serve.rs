//! From received bytes to answers: the states of a connection and what moves it on.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::net::SendFlags;

use super::connection::{Phase, Receiving};
use super::token::Op;
use super::transfer::{Mover, Progress};
use super::uring::Completion;
use super::{Command, LOADS_MAX, Lane, POOLED_TRANSFERS_MAX};
use crate::edge::answer::{self, Answer, Stays};
use crate::edge::lane::HandedOver;
use crate::edge::lane::cache::Hit;
use crate::edge::lane::step::{self, Step};
use crate::edge::request::{Request, Version};
use crate::edge::resource::{self, Resource};
use crate::edge::route::Route;
use crate::tls::Alpn;

/// Requests may wait up to this many bytes while an answer is sent; then nothing is received.
const INPUT_BYTES_MAX: usize = 64 * 1024;
/// How long a client may take to end its side, in seconds.
const LINGER_S: u32 = 2;

/// What a connection's input led to.
enum Served {
    /// Nothing, or answers that are now to be sent.
    Answers,
    /// The first request waits for the loader.
    Awaits,
    /// The first request is not for this lane.
    Unusual,
}

impl Lane {
    /// Bytes came, or the client's end, or an error.
    pub(super) fn received(&mut self, completion: Completion) {
        let slot = completion.token.slot;
        if self.connections.of(completion.token).is_none() {
            return self.return_buffer(completion);
        }
        let Some(connection) = self.connections.get(slot) else { return };
        if !completion.more {
            connection.receiving = Receiving::Off;
        }
        match completion.result {
            1.. => self.take_bytes(slot, completion),
            // ENOBUFS: all buffers are full of bytes that this turn of the loop reads.
            result if result == -libc::ENOBUFS || result == -libc::ECANCELED => {}
            _ => connection.peer_ended = true,
        }
        self.return_buffer(completion);
        self.pump(slot);
    }

    fn return_buffer(&mut self, completion: Completion) {
        if let Some(buffer) = completion.buffer {
            self.uring.give_back(buffer);
        }
    }

    /// Puts received bytes behind the connection's input, opened if they are sealed.
    fn take_bytes(&mut self, slot: u32, completion: Completion) {
        let (Some(connection), Some(buffer)) = (self.connections.get(slot), completion.buffer)
        else {
            return;
        };
        if matches!(connection.phase, Phase::Lingering | Phase::Closing) {
            return;
        }
        let was_empty = connection.input.is_empty();
        let bytes = self.uring.received(buffer, completion.result as usize);
        if connection.tls.is_some() {
            return self.take_sealed(slot, completion);
        }
        connection.input.extend_from_slice(bytes);
        if was_empty && connection.phase == Phase::Reading {
            connection.deadline_s = self.clock.now_s + self.origin.http.head_timeout_s;
        }
        self.pause_when_full(slot);
    }

    fn take_sealed(&mut self, slot: u32, completion: Completion) {
        let (Some(connection), Some(buffer)) = (self.connections.get(slot), completion.buffer)
        else {
            return;
        };
        let Some(session) = connection.tls.as_mut() else { return };
        let was_handshaking = session.is_handshaking();
        let was_empty = connection.input.is_empty();
        let bytes = self.uring.received(buffer, completion.result as usize);
        let input = &mut connection.input;
        let mut reply = Vec::new();
        let opened =
            session.receive(bytes, &mut reply, |plaintext| input.extend_from_slice(plaintext));
        let is_established = was_handshaking && !session.is_handshaking();
        let speaks_http2 = is_established && session.alpn() == Alpn::Http2;
        if !was_handshaking && was_empty && connection.phase == Phase::Reading {
            connection.deadline_s = self.clock.now_s + self.origin.http.head_timeout_s;
        }
        self.reply(slot, &reply);
        match opened {
            Err(error) => {
                tracing::debug!(%error, "TLS session failed");
                self.linger(slot);
            }
            Ok(_) if speaks_http2 => self.leave(slot),
            Ok(_) => self.pause_when_full(slot),
        }
    }

    /// Sends what TLS itself has to say. It is small: where even that does not fit, the client
    /// does not read, and the connection is cut.
    fn reply(&mut self, slot: u32, reply: &[u8]) {
        if reply.is_empty() {
            return;
        }
        let Some(connection) = self.connections.get(slot) else { return };
        if let Some(transfer) = connection.transfer.as_mut().filter(|transfer| transfer.in_flight) {
            return transfer.send_next(reply);
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = rustix::net::send(&connection.socket, reply, flags);
        if sent != Ok(reply.len()) {
            self.close(slot);
        }
    }

    fn pause_when_full(&mut self, slot: u32) {
        let Some(connection) = self.connections.get(slot) else { return };
        if connection.input.len() > INPUT_BYTES_MAX && connection.receiving == Receiving::Armed {
            connection.receiving = Receiving::Stopping;
            self.uring.cancel(connection.token(Op::Receive));
        }
    }

    /// An operation that moves an answer has completed.
    pub(super) fn moved(&mut self, completion: Completion) {
        let slot = completion.token.slot;
        let deadline_s = self.clock.now_s + self.origin.http.write_timeout_s;
        let Some(connection) = self.connections.of(completion.token) else { return };
        connection.deadline_s = deadline_s;
        let Some(transfer) = connection.transfer.as_mut() else { return };
        let moved = match completion.token.op {
            Op::Send => transfer.sent(completion.result),
            Op::Writable => transfer.writable(completion.result),
            _ => transfer.warmed(completion.result),
        };
        match moved {
            Ok(()) => self.pump(slot),
            Err(error) => self.cut(slot, &error),
        }
    }

    /// Moves a connection on until it waits for something.
    pub(super) fn pump(&mut self, slot: u32) {
        loop {
            let Some(connection) = self.connections.get(slot) else { return };
            match connection.phase {
                Phase::Reading if !connection.input.is_empty() => {
                    if !self.serve_input(slot) {
                        break;
                    }
                }
                Phase::Reading | Phase::Lingering if connection.peer_ended => {
                    return self.close(slot);
                }
                Phase::Sending => {
                    if !self.advance(slot) {
                        break;
                    }
                }
                Phase::Leaving if connection.receiving == Receiving::Off => {
                    return self.hand_over(slot);
                }
                Phase::Closing => return self.close(slot),
                _ => break,
            }
        }
        self.receive_again(slot);
    }

    fn receive_again(&mut self, slot: u32) {
        let Some(connection) = self.connections.get(slot) else { return };
        let has_room = connection.input.len() <= INPUT_BYTES_MAX;
        if has_room && !matches!(connection.phase, Phase::Leaving | Phase::Closing) {
            self.receive(slot);
        }
    }

    /// Answers what stands in the input. `false`: the connection waits.
    fn serve_input(&mut self, slot: u32) -> bool {
        let Some(connection) = self.connections.get(slot) else { return false };
        let lent = std::mem::take(&mut self.input);
        let input = std::mem::replace(&mut connection.input, lent);
        let (used, served) = self.answer_all(slot, &input);
        let ended = self.connections.get(slot).is_none_or(|connection| connection.peer_ended);
        let Some(connection) = self.connections.get(slot) else { return false };
        connection.keep_input(&input[used..]);
        self.input = input;
        self.input.clear();
        let has_answers = connection.transfer.is_some();
        match served {
            _ if has_answers => {
                connection.phase = Phase::Sending;
                connection.deadline_s = self.clock.now_s + self.origin.http.write_timeout_s;
                true
            }
            Served::Answers => {
                if ended {
                    self.close(slot);
                }
                false
            }
            Served::Awaits => {
                connection.phase = Phase::Loading;
                connection.deadline_s = self.clock.now_s + self.origin.http.write_timeout_s;
                false
            }
            Served::Unusual => {
                self.leave(slot);
                true
            }
        }
    }

    /// Answers requests of `input` one after the other, as far as they can be gathered into one
    /// transfer. Returns how many bytes are done with.
    fn answer_all(&mut self, slot: u32, input: &[u8]) -> (usize, Served) {
        let mut used = 0;
        let origin = self.origin.clone();
        loop {
            match step::next(&input[used..], &origin.router) {
                Step::More => return (used, Served::Answers),
                Step::Refuse(malformed) => {
                    self.refuse(slot, answer::malformed(malformed));
                    return (input.len(), Served::Answers);
                }
                Step::HandOver => return (used, Served::Unusual),
                Step::Serve { request, head_len, route } => {
                    let resource = match self.find(slot, &request, route) {
                        Ok(resource) => resource,
                        Err(served) => return (used, served),
                    };
                    let answer = answer::decide(&request, &resource, self.clock.unix_s);
                    if !answer.content.suits_fast_lane() {
                        return (used, Served::Unusual);
                    }
                    used += head_len;
                    if !self.answer(slot, &request, answer) {
                        return (used, Served::Answers);
                    }
                }
            }
        }
    }

    /// The resource of a request, from the lane's memory. A stale one still serves while the
    /// loader is asked.
    fn find(
        &mut self,
        slot: u32,
        request: &Request<'_>,
        route: Route,
    ) -> Result<Arc<Resource>, Served> {
        let Some(connection) = self.connections.get(slot) else { return Err(Served::Answers) };
        if let Err(held_back) = self.origin.limiter.check(connection.peer.ip(), self.clock.now) {
            self.observer.metrics.limited.inc();
            return Ok(Arc::new(resource::too_many_requests(held_back.retry_after_s)));
        }
        let token = connection.token(Op::Send);
        match self.cache.get(route, request.path, self.clock.now) {
            Hit::Fresh(resource) => Ok(resource),
            Hit::Stale(resource) => {
                self.load(route, request.path);
                Ok(resource)
            }
            // Gathered answers go first; the request is read again behind them.
            Hit::Miss if connection.transfer.is_some() => Err(Served::Awaits),
            Hit::Miss if self.awaited.len() >= LOADS_MAX => Ok(Arc::new(resource::busy())),
            Hit::Miss => {
                let key = (route, request.path.to_owned());
                let is_asked = self.awaited.contains_key(&key);
                self.awaited.entry(key).or_default().push(token);
                if !is_asked {
                    self.load(route, request.path);
                }
                Err(Served::Awaits)
            }
        }
    }

    fn load(&self, route: Route, path: &str) {
        let handle = self.handle.clone();
        let (path, asked) = (path.to_owned(), path.to_owned());
        self.origin.loader.load_then(
            route,
            asked,
            Box::new(move |resource| handle.tell(Command::Loaded { route, path, resource })),
        );
    }

    /// The loader has answered: whoever waited goes on.
    pub(super) fn loaded(&mut self, route: Route, path: String, resource: Arc<Resource>) {
        self.cache.insert(route, &path, resource, self.clock.now);
        for token in self.awaited.remove(&(route, path)).unwrap_or_default() {
            if let Some(connection) = self.connections.of(token)
                && connection.phase == Phase::Loading
            {
                connection.phase = Phase::Reading;
                self.pump(token.slot);
            }
        }
    }

    /// Adds an answer to the connection's transfer. `false`: nothing may be gathered behind it.
    fn answer(&mut self, slot: u32, request: &Request<'_>, answer: Answer) -> bool {
        let stays = Stays::decide(request, !self.draining);
        let now = self.clock.now;
        let Some(connection) = self.connections.get(slot) else { return false };
        let tls = connection.tls.is_some();
        let facts = (answer.status, answer.content.len());
        let record = self.observer.begin(request, connection.peer, tls, now, facts);
        let transfer =
            connection.transfer.get_or_insert_with(|| self.pool.pop().unwrap_or_default());
        transfer.records.push(record);
        let extra = &self.extra_lines[usize::from(tls)];
        answer.write_http1_head(stays, self.clock.date.as_bytes(), extra, &mut transfer.plain);
        transfer.closes = stays == Stays::Closes;
        transfer.push_content(answer);
        transfer.may_gather()
    }

    /// Answers what is no request, and closes.
    fn refuse(&mut self, slot: u32, answer: Answer) {
        if let Ok(mut request) = Request::new("-", "/", Version::Http10) {
            request.keep_alive = false;
            self.answer(slot, &request, answer);
        }
    }

    /// Moves the transfer on. `false`: it waits.
    fn advance(&mut self, slot: u32) -> bool {
        let Some(connection) = self.connections.get(slot) else { return false };
        let tokens = [Op::Send, Op::Writable, Op::Warm].map(|op| connection.token(op));
        let Some(transfer) = connection.transfer.as_mut() else { return false };
        if transfer.in_flight {
            return false;
        }
        let [send, writable, warm] = tokens;
        let mut mover = Mover {
            uring: &mut self.uring,
            socket: connection.socket.as_fd(),
            tls: connection.tls.as_deref_mut(),
            scratch: &mut self.scratch,
            send,
            writable,
            warm,
        };
        match transfer.advance(&mut mover) {
            Ok(Progress::Waits) => false,
            Ok(Progress::Done) => {
                self.sent(slot);
                true
            }
            Err(error) => {
                self.cut(slot, &error);
                false
            }
        }
    }

    /// All answers have left.
    fn sent(&mut self, slot: u32) {
        let keep_alive_s = self.origin.http.keep_alive_timeout_s;
        let Some(connection) = self.connections.get(slot) else { return };
        connection.phase = Phase::Reading;
        connection.deadline_s = self.clock.now_s + keep_alive_s;
        let closes = connection.transfer.as_ref().is_some_and(|transfer| transfer.closes);
        if let Some(transfer) = connection.transfer.take() {
            self.recycle(transfer, 0);
        }
        if closes {
            self.linger(slot);
        }
    }

    fn recycle(&mut self, mut transfer: Box<super::Transfer>, unsent_bytes: u64) {
        let now = std::time::Instant::now();
        for record in transfer.records.drain(..) {
            self.observer.end(record, now, unsent_bytes);
        }
        transfer.reset();
        if self.pool.len() < POOLED_TRANSFERS_MAX {
            self.pool.push(transfer);
        }
    }

    fn cut(&mut self, slot: u32, error: &std::io::Error) {
        tracing::debug!(%error, "connection cut");
        self.close(slot);
    }

    /// Ends our side and waits for the client's end.
    fn linger(&mut self, slot: u32) {
        let mut farewell = Vec::new();
        if let Some(session) =
            self.connections.get(slot).and_then(|connection| connection.tls.as_mut())
        {
            session.close(&mut farewell);
        }
        self.reply(slot, &farewell);
        let Some(connection) = self.connections.get(slot) else { return };
        if connection.phase == Phase::Closing {
            return;
        }
        connection.phase = Phase::Lingering;
        connection.keep_input(&[]);
        connection.deadline_s = self.clock.now_s + LINGER_S;
        let _ = rustix::net::shutdown(&connection.socket, rustix::net::Shutdown::Write);
    }

    /// Sends the connection to the full lane, once nothing is received for it any more.
    fn leave(&mut self, slot: u32) {
        let Some(connection) = self.connections.get(slot) else { return };
        connection.phase = Phase::Leaving;
        connection.deadline_s = self.clock.now_s + self.origin.http.head_timeout_s;
        if connection.receiving == Receiving::Armed {
            connection.receiving = Receiving::Stopping;
            self.uring.cancel(connection.token(Op::Receive));
        }
    }

    fn hand_over(&mut self, slot: u32) {
        let Some(connection) = self.connections.remove(slot) else { return };
        self.observer.metrics.connections.dec();
        self.observer.metrics.handed_over.inc();
        let handed_over = HandedOver {
            stream: TcpStream::from(connection.socket),
            peer: connection.peer,
            tls: connection.tls,
            read: connection.input,
            place: None,
        };
        if let Err(error) = self.full.try_send(handed_over) {
            // Dropping it closes it: the full lane has as much as it can hold.
            tracing::warn!(%error, "the full lane takes no more connections");
        }
    }

    /// Cuts a connection; it goes once the kernel has let go of it.
    pub(super) fn close(&mut self, slot: u32) {
        let Some(connection) = self.connections.get(slot) else { return };
        if connection.has_operations() {
            if connection.phase != Phase::Closing {
                connection.phase = Phase::Closing;
                let _ = rustix::net::shutdown(&connection.socket, rustix::net::Shutdown::Both);
            }
            return;
        }
        self.observer.metrics.connections.dec();
        if let Some(mut connection) = self.connections.remove(slot)
            && let Some(transfer) = connection.transfer.take()
        {
            let unsent_bytes = transfer.unsent_bytes();
            self.recycle(transfer, unsent_bytes);
        }
    }
}
