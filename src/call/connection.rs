//! One peer connection: checked by ICE, then secured by DTLS, then open for media. Each state is a
//! type that the next one consumes.

use std::time::{Duration, Instant};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use sfu_core::{ParticipantId, PublishConfig, Side, SubscribeConfig};

use super::dtls::{Certificate, DtlsError, Handshake, Heard, Progress, Secured};
use super::ice::{Credentials, IceLite, Path, RandomError};
use super::outbox::Outbox;
use super::sdp::{self, Answered, Fingerprint, Offer, SdpError, Setup, Transport};
use super::srtp;

/// A connection must be secured after this time.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(30);
/// Who was not heard for so long has gone (RFC 7675 5.1).
pub const CONSENT_MAX: Duration = Duration::from_secs(30);
/// Addresses that one connection is heard from at once.
pub const PATHS_MAX: usize = 8;

/// A peer connection.
pub struct Connection {
    /// Whose.
    pub owner: ParticipantId,
    /// Which of theirs.
    pub side: Side,
    /// How it is reached.
    pub ice: IceLite,
    /// Where it was heard from, proven by checks; the oldest first.
    pub paths: Vec<Path>,
    /// What the core is told once there are keys.
    pub pending: Option<Pending>,
    begun: Instant,
    stage: Stage,
    description: Description,
}

/// What was accepted, for the core.
#[derive(Debug)]
pub enum Pending {
    /// Of a publishing connection.
    Publish(PublishConfig),
    /// Of a subscribing one.
    Subscribe(SubscribeConfig),
}

impl Pending {
    fn side(&self) -> Side {
        match self {
            Self::Publish(_) => Side::Publish,
            Self::Subscribe(_) => Side::Subscribe,
        }
    }
}

/// How far it is.
enum Stage {
    Handshake(Box<Handshake>),
    Secured(Box<Secured>),
    /// Nothing is to be done but to forget it.
    Ended,
}

/// What was offered and answered.
struct Description {
    session: String,
    fingerprint: Fingerprint,
    setup: Setup,
    answered: Answered,
    /// Of our answers: their session, and how many there were.
    own: (u64, u32),
}

/// Why a connection is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The peer has closed it.
    Closed,
    /// The peer was not heard.
    ConsentLost,
    /// It was never secured.
    NotConnected,
}

/// What a packet of DTLS did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// Nothing that others see.
    Nothing,
    /// It was of no use.
    Refused,
    /// There are keys now.
    Secured,
    /// The peer has closed.
    Closed,
}

/// What an offer is to a connection that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same as before.
    Same,
    /// ICE begins anew, all else stays.
    Restart,
    /// It describes another connection.
    Another,
}

impl Connection {
    /// By an offer that was accepted.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new(
        now: Instant,
        owner: ParticipantId,
        offer: &Offer,
        (pending, answered): (Pending, Answered),
        certificate: &Certificate,
    ) -> Result<Self, RandomError> {
        let mut session = [0; 8];
        SystemRandom::new().fill(&mut session).map_err(|_| RandomError)?;
        let description = Description {
            session: offer.session.clone(),
            fingerprint: offer.fingerprint,
            setup: offer.setup,
            answered,
            // RFC 3264 5: it fits 62 bits.
            own: (u64::from_be_bytes(session) >> 2, 1),
        };
        let handshake = Handshake::new(now, certificate, offer.fingerprint, offer.setup);
        Ok(Self {
            owner,
            side: pending.side(),
            pending: Some(pending),
            ice: IceLite::new(now, Credentials::make()?, offer.ufrag.clone()),
            paths: Vec::new(),
            begun: now,
            stage: Stage::Handshake(Box::new(handshake)),
            description,
        })
    }

    /// What `offer` is to it.
    ///
    /// # Errors
    /// When it is of this connection, but has other m-lines.
    pub fn compare(&self, offer: &Offer) -> Result<Again, SdpError> {
        let own = &self.description;
        if own.session != offer.session || own.fingerprint != offer.fingerprint {
            return Ok(Again::Another);
        }
        let (count, before) = (offer.media(), own.answered.media());
        if count != before {
            return Err(SdpError::Changed { count, before });
        }
        let is_same = self.ice.remote_ufrag() == offer.ufrag;
        Ok(if is_same { Again::Same } else { Again::Restart })
    }

    /// Lets the peer find another way to us (RFC 8445 9).
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn restart_ice(&mut self, now: Instant, offer: &Offer) -> Result<(), RandomError> {
        self.ice.restart(now, Credentials::make()?, offer.ufrag.clone());
        self.description.own.1 += 1;
        Ok(())
    }

    /// The answer to the latest offer.
    pub fn answer(&self, certificate: &Certificate, candidates: &[std::net::SocketAddr]) -> String {
        let local = self.ice.local();
        sdp::write(
            &self.description.answered,
            Transport {
                session: self.description.own,
                ufrag: local.ufrag.as_str(),
                password: &local.password,
                fingerprint: certificate.fingerprint,
                setup: self.description.setup,
                candidates,
            },
        )
    }

    /// Whether media flow.
    pub fn is_secured(&self) -> bool {
        matches!(self.stage, Stage::Secured(_))
    }

    /// Takes a datagram of DTLS that came by a proven path, and answers by the same.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn handle_dtls(
        &mut self,
        now: Instant,
        path: Path,
        packet: &[u8],
        outbox: &mut Outbox,
    ) -> Result<Handled, DtlsError> {
        let mut send = |record: &[u8]| outbox.push(path, record);
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Handshake(handshake) => self.go_on(handshake.handle(now, packet, send)?),
            Stage::Secured(mut secured) => {
                let heard = secured.handle(now, packet, &mut send);
                self.stage = Stage::Secured(secured);
                // RFC 6347 4.1.2.7: who forges a record, from an address that is not theirs, ends nothing.
                Ok(match heard {
                    Ok(Heard::Closed) => Handled::Closed,
                    Ok(Heard::Nothing) => Handled::Nothing,
                    Err(_) => Handled::Refused,
                })
            }
            Stage::Ended => Ok(Handled::Nothing),
        }
    }

    /// Repeats of the handshake that are due.
    ///
    /// # Errors
    /// When the connection is over.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        outbox: &mut Outbox,
    ) -> Result<Handled, DtlsError> {
        let Some(path) = self.ice.selected() else { return Ok(Handled::Nothing) };
        match std::mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Handshake(handshake) if handshake.due().is_some_and(|due| due <= now) => {
                let send = |record: &[u8]| outbox.push(path, record);
                self.go_on(handshake.handle_timeout(now, send)?)
            }
            other => {
                self.stage = other;
                Ok(Handled::Nothing)
            }
        }
    }

    fn go_on(&mut self, progress: Progress) -> Result<Handled, DtlsError> {
        match progress {
            Progress::Handshake(handshake) => {
                self.stage = Stage::Handshake(handshake);
                Ok(Handled::Nothing)
            }
            Progress::Secured(secured) => {
                self.stage = Stage::Secured(secured);
                Ok(Handled::Secured)
            }
        }
    }

    /// The keys, once there are any.
    pub fn secured(&mut self) -> Option<&mut Secured> {
        match &mut self.stage {
            Stage::Secured(secured) => Some(secured),
            _ => None,
        }
    }

    /// Seals the `len` bytes at the front of the batch's space, which then leave.
    ///
    /// # Errors
    /// When the packet is none that may be sealed.
    pub fn send(
        &mut self,
        is_rtcp: bool,
        len: usize,
        outbox: &mut Outbox,
    ) -> Result<(), srtp::Fault> {
        let (Some(path), Stage::Secured(secured)) = (self.ice.selected(), &mut self.stage) else {
            return Ok(());
        };
        let sealer = &mut secured.sealer;
        let space = outbox.space();
        let len = match is_rtcp {
            true => sealer.seal_rtcp(space, len)?,
            false => sealer.seal_rtp(space, len)?,
        };
        outbox.commit(path, len);
        Ok(())
    }

    /// Why it is over by now, if it is.
    pub fn is_over(&self, now: Instant) -> Option<Over> {
        match self.stage {
            Stage::Ended => Some(Over::NotConnected),
            Stage::Handshake(_) if now.duration_since(self.begun) > HANDSHAKE_MAX => {
                Some(Over::NotConnected)
            }
            Stage::Secured(_) if now.duration_since(self.ice.heard()) > CONSENT_MAX => {
                Some(Over::ConsentLost)
            }
            _ => None,
        }
    }

    /// Tells the peer that it is over.
    pub fn close(&mut self, outbox: &mut Outbox) {
        if let (Some(path), Stage::Secured(secured)) = (self.ice.selected(), &mut self.stage) {
            secured.close(|record| outbox.push(path, record));
        }
        self.stage = Stage::Ended;
    }
}
