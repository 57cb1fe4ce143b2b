//! What all states of a stream share.

use std::collections::VecDeque;
use std::sync::Arc;

use data_encoding::BASE32_NOPAD;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::jid::Jid;
use crate::sasl::Channel;
use crate::time::Now;
use crate::xml::Element;

use super::StreamOutput;
use super::config::{StartTls, StreamConfig, Transport};
use super::error::StreamError;
use super::framing::Framing;

#[derive(Debug)]
pub(super) struct Shared {
    pub config: Arc<StreamConfig>,
    pub framing: Framing,
    pub channel: Channel,
    pub starttls: StartTls,
    pub now: Now,
    /// What [`Self::random`] starts from, and how often it was asked: a generator that stays would
    /// be most of an idle stream.
    seed: [u8; 32],
    draws: u64,
    pub outputs: VecDeque<StreamOutput>,
    /// Whom the client says to be in its header (RFC 6120 4.7.1), which proves nothing.
    pub from: Option<Jid>,
    /// Whether the server's header has been sent, behind which alone an error may stand.
    pub is_open: bool,
    /// During a TLS handshake nothing can be said.
    pub is_mute: bool,
    /// Failed attempts to log in.
    pub failures: u32,
    /// IQs about registration.
    pub registrations: u32,
    /// By when the client must have its session, as [`Now::elapsed_ms`].
    pub deadline_ms: u64,
}

impl Shared {
    pub fn new(config: Arc<StreamConfig>, transport: Transport, now: Now, seed: [u8; 32]) -> Self {
        let deadline_ms = now.elapsed_ms + config.login_within_ms;
        Self {
            config,
            framing: transport.framing,
            channel: transport.channel,
            starttls: transport.starttls,
            now,
            seed,
            draws: 0,
            outputs: VecDeque::new(),
            from: None,
            is_open: false,
            is_mute: false,
            failures: 0,
            registrations: 0,
            deadline_ms,
        }
    }

    /// Random numbers, each time others.
    pub fn random(&mut self) -> ChaCha20Rng {
        let mut random = ChaCha20Rng::from_seed(self.seed);
        random.set_stream(self.draws);
        self.draws += 1;
        random
    }

    /// Whether TLS can still be started.
    pub fn can_start_tls(&self) -> bool {
        self.starttls != StartTls::Unavailable && !self.channel.is_encrypted()
    }

    /// Whether the stream is fit to log in over it.
    pub fn may_log_in(&self) -> bool {
        self.starttls != StartTls::Required || self.channel.is_encrypted()
    }

    pub fn output(&mut self, output: StreamOutput) {
        self.outputs.push_back(output);
    }

    pub fn send(&mut self, element: &Element) {
        let bytes = self.framing.element(element);
        self.output(StreamOutput::Send(bytes));
    }

    /// Sends the server's header, with an id that nobody can guess (RFC 6120 4.7.3).
    pub fn send_header(&mut self) {
        let mut id = [0; STREAM_ID_BYTES];
        self.random().fill_bytes(&mut id);
        let to = self.from.as_ref().map(Jid::as_str);
        let id = BASE32_NOPAD.encode(&id).to_ascii_lowercase();
        let header = self.framing.header(self.config.domain.as_str(), to, &id);
        self.output(StreamOutput::Send(header));
        self.is_open = true;
    }

    /// Ends the stream with an error. RFC 6120 4.9.1.2: a header goes before it in any case.
    pub fn end(&mut self, error: StreamError) {
        if !self.is_open && !self.is_mute {
            self.send_header();
        }
        if !self.is_mute {
            self.send(&error.to_element());
            self.send_close();
        }
        self.output(StreamOutput::Close(Some(error.condition)));
    }

    /// Ends the stream in peace.
    pub fn close(&mut self) {
        if self.is_open && !self.is_mute {
            self.send_close();
        }
        self.output(StreamOutput::Close(None));
    }

    fn send_close(&mut self) {
        let close = self.framing.close();
        self.output(StreamOutput::Send(close));
    }
}

/// Random bytes in a stream's id: a multiple of five, so that base32 needs no padding.
const STREAM_ID_BYTES: usize = 20;
