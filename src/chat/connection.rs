//! One client's connection: a state that is polled by its task, and told things by its thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use chat_core::chat::{Closing, Input};
use chat_core::id::StreamId;
use chat_core::sasl::ChannelBindings;
use chat_core::stream::{
    Ready, Stream, StreamError, StreamErrorCondition, StreamInput, StreamOutput,
    Transport as Carrier,
};

use super::addresses::Place;
use super::outgoing::Outgoing;
use super::pace::{Pace, Paces};
use super::shard::Shard;
use super::transport::{Left, Received, Transport};
use super::wire::{Said, Wire};

/// A client's connection.
pub struct Connection {
    id: StreamId,
    peer: SocketAddr,
    shard: Rc<Shard>,
    state: RefCell<State>,
    waker: RefCell<Option<Waker>>,
    is_cut: Cell<bool>,
    _place: Option<Box<Place>>,
}

struct State {
    transport: Transport,
    wire: Wire,
    /// `None` until TLS from the first byte has made its handshake.
    stream: Option<Box<Stream>>,
    outgoing: Outgoing,
    stage: Stage,
    pace: Pace,
    /// Not read before, in microseconds of the clock.
    read_after_us: u64,
    /// In seconds of the thread's ticks; a TLS handshake begins anew.
    began_s: u32,
    heard_s: u32,
    moved_s: u32,
    pinged: bool,
    is_in_core: bool,
    is_clean: bool,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A TLS handshake runs.
    Handshaking,
    /// Elements are exchanged.
    Open,
    /// What is left is sent.
    Closing,
    /// All is sent; the peer's end is awaited until this second.
    Lingering { until_s: u32 },
}

/// What became of an element that was given to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Nothing waited: it is to be flushed.
    Begins,
    /// It leaves behind what waits, or not at all.
    Waits,
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The socket failed, or TLS.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// As it should.
    #[error("closed")]
    Closed,
    /// It was too slow, or its thread ends.
    #[error("cut")]
    Cut,
}

impl Connection {
    /// A connection that begins.
    pub fn new(
        id: StreamId,
        peer: SocketAddr,
        shard: Rc<Shard>,
        transport: Transport,
        wire: Wire,
        place: Option<Box<Place>>,
    ) -> Self {
        let now_s = shard.seconds();
        let is_handshaking = transport.tls().is_some_and(|session| session.is_handshaking());
        let state = State {
            transport,
            wire,
            stream: None,
            outgoing: Outgoing::default(),
            stage: if is_handshaking { Stage::Handshaking } else { Stage::Open },
            pace: Pace::default(),
            read_after_us: 0,
            began_s: now_s,
            heard_s: now_s,
            moved_s: now_s,
            pinged: false,
            is_in_core: false,
            is_clean: false,
        };
        let (state, waker, is_cut) = (RefCell::new(state), RefCell::default(), Cell::new(false));
        Self { id, peer, shard, state, waker, is_cut, _place: place }
    }

    /// Begins the stream on a connection whose protocol can start; `read` came before.
    pub fn begin(&self, carrier: Carrier, read: &[u8]) {
        let mut state = self.state.borrow_mut();
        state.stream = Some(self.shard.new_stream(carrier));
        state.wire.push(read);
        self.advance(&mut state);
    }

    /// The stream's question has been answered.
    pub fn answer(&self, input: StreamInput) {
        let mut state = self.state.borrow_mut();
        if let Some(stream) = &mut state.stream {
            stream.handle(self.shard.now(), input);
        }
        self.advance(&mut state);
        self.wake();
    }

    /// The core took the login.
    pub fn ready(&self, ready: Box<Ready>) {
        self.answer(StreamInput::SessionReady(ready));
    }

    /// The core sends an element, which leaves with the next [`Self::flush`].
    pub fn send(&self, bytes: Bytes) -> Sending {
        let mut state = self.state.borrow_mut();
        if state.stage != Stage::Open {
            return Sending::Waits;
        }
        self.shard.metrics().stanzas_out.inc();
        let waits = !state.outgoing.is_empty();
        if !waits {
            // A socket that had nothing to take is not slow.
            state.moved_s = self.shard.seconds();
        }
        let State { wire, outgoing, .. } = &mut *state;
        wire.send_element(bytes, outgoing);
        if state.outgoing.bytes() > self.shard.config().outgoing_bytes_max {
            tracing::debug!(peer = %self.peer, "cut: it does not read");
            self.cut();
        }
        if waits { Sending::Waits } else { Sending::Begins }
    }

    /// Sends what the socket takes. Its task does the rest.
    pub fn flush(&self) {
        let mut state = self.state.borrow_mut();
        if state.stage != Stage::Open {
            return;
        }
        let State { transport, outgoing, .. } = &mut *state;
        let left = transport.try_write(outgoing);
        if !matches!(left, Ok(Left::Nothing)) {
            self.wake();
        }
    }

    /// The core ends the stream.
    pub fn close(&self, closing: Closing) {
        let error = match closing {
            Closing::Plain => None,
            Closing::Error(condition) => Some(StreamError::from(condition)),
            Closing::ErrorWith(condition, application) => {
                let application = Some(application);
                Some(StreamError { condition, text: None, application })
            }
        };
        self.end(error);
    }

    /// The server stops.
    pub fn shut_down(&self) {
        self.end(Some(StreamErrorCondition::SystemShutdown.into()));
    }

    /// Ends it at once.
    pub fn cut(&self) {
        if !self.is_cut.replace(true) {
            self.shard.metrics().cut.inc();
        }
        self.wake();
    }

    /// Has it polled.
    pub fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// A second has passed.
    pub fn tick(&self, now_s: u32) {
        let config = self.shard.config();
        let mut state = self.state.borrow_mut();
        let silent_s = now_s.saturating_sub(state.heard_s);
        let stuck_s = now_s.saturating_sub(state.moved_s);
        let waits = !state.outgoing.is_empty() || state.transport.waiting_bytes() > 0;
        match state.stage {
            Stage::Lingering { until_s } if now_s >= until_s => self.cut(),
            // Whoever drips is never silent.
            Stage::Handshaking if now_s.saturating_sub(state.began_s) > config.login_timeout_s => {
                self.cut();
            }
            _ if waits && stuck_s > config.write_timeout_s => self.cut(),
            // A pong has to come; of a space TCP tells by itself that nobody takes it.
            Stage::Open if state.pinged && silent_s > config.idle_ping_s + PONG_TIMEOUT_S => {
                self.cut();
            }
            Stage::Open if state.pinged => {}
            Stage::Open if state.is_in_core && silent_s >= config.idle_ping_s => {
                state.pinged = state.wire.is_websocket();
                if !state.pinged {
                    // The next space is due after as long a time again.
                    state.heard_s = now_s;
                }
                if !waits {
                    state.moved_s = now_s;
                }
                let State { wire, outgoing, .. } = &mut *state;
                wire.ping(outgoing);
                self.wake();
            }
            _ => {}
        }
    }

    /// The stream's deadline may have come.
    pub fn check_deadline(&self) {
        let mut state = self.state.borrow_mut();
        let now = self.shard.now();
        let Some(stream) = &mut state.stream else { return };
        if stream.poll_timeout().is_some_and(|at| at <= now.elapsed_ms) {
            stream.handle_timeout(now);
            self.advance(&mut state);
            self.wake();
        }
    }

    fn end(&self, error: Option<StreamError>) {
        let mut state = self.state.borrow_mut();
        match &mut state.stream {
            Some(stream) => stream.close(error),
            None => self.is_cut.set(true),
        }
        self.advance(&mut state);
        self.wake();
    }

    /// Works off what the stream wants and what the client has said, as far as it goes.
    fn advance(&self, state: &mut State) {
        self.work_off(state);
        if let Some(stream) = &mut state.stream {
            stream.rest();
        }
    }

    fn work_off(&self, state: &mut State) {
        loop {
            while let Some(output) = state.stream.as_mut().and_then(|stream| stream.poll_output()) {
                self.carry_out(state, output);
            }
            if state.stage != Stage::Open || self.shard.is_blocked() {
                return;
            }
            let State { stream: Some(stream), wire, outgoing, .. } = state else { return };
            if !stream.wants_input() {
                return;
            }
            match wire.next(stream.limits(), outgoing) {
                None => return,
                Some(Said::Alive) => {}
                Some(Said::Stream(input)) => {
                    self.count_stanza(state, &input);
                    let stream = state.stream.as_mut();
                    if let Some(stream) = stream {
                        stream.handle(self.shard.now(), input);
                    }
                }
                Some(Said::WebSocketClosed) => state.stage = Stage::Closing,
            }
        }
    }

    fn count_stanza(&self, state: &mut State, input: &StreamInput) {
        if let StreamInput::Element(_) = input {
            self.hold_back(state, 1, 0);
        }
    }

    fn hold_back(&self, state: &mut State, stanzas: u32, bytes: u32) {
        let paces: Paces = self.shard.paces().of(self.peer.ip());
        let now_us = self.shard.clock().elapsed_us();
        let after_us = state.pace.count(&paces, now_us, stanzas, bytes);
        state.read_after_us = state.read_after_us.max(after_us);
    }

    fn carry_out(&self, state: &mut State, output: StreamOutput) {
        match output {
            StreamOutput::Send(bytes) => state.wire.send(bytes, &mut state.outgoing),
            StreamOutput::StartTls => self.start_tls(state),
            StreamOutput::Restart => state.wire.restart(),
            StreamOutput::LookUp { name, device } => self.shard.look_up(self.id, name, device),
            StreamOutput::VerifyPassword(attempt) => self.shard.verify(self.id, attempt),
            StreamOutput::Authenticated(login) => {
                state.is_in_core = true;
                self.shard.submit(Input::Login { stream: self.id, login });
            }
            StreamOutput::Refused { failure, .. } => {
                tracing::debug!(peer = %self.peer, %failure, "a login failed");
                self.shard.metrics().logins_failed.inc();
            }
            StreamOutput::Register(iq) => self.shard.register(self.id, self.peer.ip(), iq),
            StreamOutput::Established => self.shard.established(self.id),
            StreamOutput::Element(stanza) => {
                self.shard.metrics().stanzas_in.inc();
                let element = Arc::new(stanza);
                self.shard.submit(Input::Element { stream: self.id, element });
            }
            StreamOutput::Close(error) => {
                state.is_clean = error.is_none();
                state.wire.close(&mut state.outgoing);
                state.stage = Stage::Closing;
            }
        }
    }

    fn start_tls(&self, state: &mut State) {
        state.wire.restart_for_tls();
        let Some(session) = self.shard.new_tls() else { return self.cut() };
        let State { transport, outgoing, .. } = &mut *state;
        transport.start_tls(session, outgoing);
        state.stage = Stage::Handshaking;
        state.began_s = self.shard.seconds();
    }

    /// The handshake is over: the stream begins, or goes on.
    fn handshaken(&self, state: &mut State) {
        state.stage = Stage::Open;
        let bindings = self.bindings(state);
        match &mut state.stream {
            Some(stream) => stream.handle(self.shard.now(), StreamInput::TlsStarted(bindings)),
            None => state.stream = Some(self.shard.new_stream(Carrier::direct_tls(bindings))),
        }
    }

    fn bindings(&self, state: &State) -> ChannelBindings {
        let exporter = state.transport.tls().and_then(|session| session.exporter());
        ChannelBindings {
            exporter: exporter.map(|data| data.to_vec()),
            server_end_point: self.shard.server_end_point(),
        }
    }

    fn poll_state(&self, context: &mut Context<'_>) -> Poll<Ended> {
        let state = &mut *self.state.borrow_mut();
        for _ in 0..READS_PER_TURN_MAX {
            let outcome = match self.poll_once(state, context) {
                Ok(outcome) => outcome,
                Err(ended) => return Poll::Ready(ended),
            };
            if outcome.is_pending() {
                return Poll::Pending;
            }
        }
        // Others want a turn too.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what there is, then reads once. Pending: nothing to do until something happens.
    fn poll_once(&self, state: &mut State, context: &mut Context<'_>) -> Result<Poll<()>, Ended> {
        if self.is_cut.get() {
            return Err(Ended::Cut);
        }
        self.advance(state);
        let State { transport, outgoing, .. } = &mut *state;
        let written = transport.poll_write(context, outgoing)?;
        if let Poll::Ready(moved) = written
            && moved > 0
        {
            state.moved_s = self.shard.seconds();
        }
        if state.stage == Stage::Closing && written.is_ready() {
            state.transport.close();
            let State { transport, outgoing, .. } = &mut *state;
            if transport.poll_write(context, outgoing)?.is_ready()
                && transport.poll_shutdown(context)?.is_ready()
            {
                let until_s = self.shard.seconds() + LINGER_S;
                state.stage = Stage::Lingering { until_s };
            }
        }
        match self.is_held_back(state) {
            true => Ok(Poll::Pending),
            false => self.poll_read(state, context),
        }
    }

    /// Is the client not to be read now? Whoever says so wakes the connection.
    fn is_held_back(&self, state: &State) -> bool {
        if matches!(state.stage, Stage::Closing) {
            return true;
        }
        if state.stage == Stage::Open {
            let waits = state.stream.as_ref().is_some_and(|stream| !stream.wants_input());
            if waits || self.shard.is_blocked() {
                return true;
            }
        }
        if state.read_after_us > self.shard.clock().elapsed_us() {
            self.shard.wake_later(self.id, state.read_after_us);
            return true;
        }
        false
    }

    fn poll_read(&self, state: &mut State, context: &mut Context<'_>) -> Result<Poll<()>, Ended> {
        let mut scratch = self.shard.scratch();
        let (ciphertext, plaintext) = scratch.buffers();
        let outcome = state.transport.poll_read(context, ciphertext, plaintext);
        let (received, len) = match outcome {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Ok(read)) => read,
            Poll::Ready(Err(error)) => {
                // What TLS has to say of it, as far as the socket takes it.
                let mut nothing = Outgoing::default();
                let mut context = Context::from_waker(Waker::noop());
                let _ = state.transport.poll_write(&mut context, &mut nothing);
                return Err(Ended::Io(error));
            }
        };
        match received {
            Received::End => return Err(Ended::Closed),
            Received::Bytes => {}
        }
        state.heard_s = self.shard.seconds();
        state.pinged = false;
        if matches!(state.stage, Stage::Lingering { .. }) {
            return Ok(Poll::Ready(()));
        }
        if state.stage == Stage::Handshaking
            && state.transport.tls().is_some_and(|session| !session.is_handshaking())
        {
            self.handshaken(state);
        }
        self.hold_back(state, 0, len as u32);
        state.wire.push(plaintext);
        drop(scratch);
        self.advance(state);
        Ok(Poll::Ready(()))
    }

    /// Lets go of everything behind the last poll.
    fn finish(&self, ended: &Ended) {
        if let Ended::Io(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "a connection ended");
        }
        let state = self.state.borrow();
        if state.is_in_core {
            let is_clean = state.is_clean;
            self.shard.submit(Input::Closed { stream: self.id, is_clean });
        }
        drop(state);
        self.shard.forget(self.id);
    }
}

/// The task of a connection.
pub struct Driving(pub Rc<Connection>);

impl Future for Driving {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let connection = &self.0;
        let is_known = connection
            .waker
            .borrow()
            .as_ref()
            .is_some_and(|known| known.will_wake(context.waker()));
        if !is_known {
            *connection.waker.borrow_mut() = Some(context.waker().clone());
        }
        let Poll::Ready(ended) = connection.poll_state(context) else { return Poll::Pending };
        connection.finish(&ended);
        Poll::Ready(())
    }
}

/// Reads of one connection before others have their turn.
const READS_PER_TURN_MAX: usize = 4;
/// How long the peer may take to end its side behind ours.
const LINGER_S: u32 = 3;
/// How long a WebSocket's pong may take.
const PONG_TIMEOUT_S: u32 = 60;
