//! RFC 8445 Interactive Connectivity Establishment, the lite side: it answers checks and sends none.
//! RFC 7675: without checks for a while the peer's consent has ended.

use std::net::SocketAddr;
use std::time::Instant;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::stun::{self, BindingRequest};

/// One of our sockets, and an address that was heard on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The socket's place.
    pub socket: usize,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// What we are known by, for the time until a restart.
#[derive(Clone)]
pub struct Credentials {
    /// `a=ice-ufrag`.
    pub ufrag: Ufrag,
    /// `a=ice-pwd`.
    pub password: String,
    key: hmac::Key,
}

/// A ufrag of ours. It names the connection among all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ufrag([u8; UFRAG_BYTES]);

const UFRAG_BYTES: usize = 8;
/// RFC 8445 5.3 asks for 128 bits: 22 characters of six.
const PASSWORD_BYTES: usize = 24;

impl Ufrag {
    /// That of a request; `None` where it cannot be ours.
    pub fn of(request: &BindingRequest<'_>) -> Option<Self> {
        request.local_ufrag().try_into().ok().map(Self)
    }

    /// As it stands in an answer.
    pub fn as_str(&self) -> &str {
        // It is made of ICE's characters alone.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes")]
pub struct RandomError;

impl Credentials {
    /// New ones.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn make() -> Result<Self, RandomError> {
        let mut random = [0; UFRAG_BYTES + PASSWORD_BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| RandomError)?;
        let chars = random.map(|byte| ICE_CHARS[usize::from(byte & 63)]);
        let mut ufrag = [0; UFRAG_BYTES];
        ufrag.copy_from_slice(&chars[..UFRAG_BYTES]);
        let password: String = chars[UFRAG_BYTES..].iter().map(|byte| char::from(*byte)).collect();
        let key = stun::key_of(&password);
        Ok(Self { ufrag: Ufrag(ufrag), password, key })
    }
}

const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The agent of one connection.
pub struct IceLite {
    local: Credentials,
    remote_ufrag: String,
    selected: Option<Path>,
    heard: Instant,
}

/// What a check was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Of whom it says.
    Proven,
    /// The same, and media go there from now on, elsewhere than before.
    Moved,
}

/// Why a check is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// It is for somebody else.
    #[error("another USERNAME")]
    Username,
    /// Its MESSAGE-INTEGRITY is not by our password.
    #[error("wrong MESSAGE-INTEGRITY")]
    Integrity,
}

impl IceLite {
    /// For an offer with that ufrag.
    pub fn new(now: Instant, local: Credentials, remote_ufrag: String) -> Self {
        Self { local, remote_ufrag, selected: None, heard: now }
    }

    /// What we are known by.
    pub fn local(&self) -> &Credentials {
        &self.local
    }

    /// What the peer is known by.
    pub fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Where media go: the nominated pair's, or until there is one the first that was proven.
    pub fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// When the peer was last heard, by a check that it has proven (RFC 7675 5.1).
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// RFC 8445 9: new names on both sides. Media go on where they went until a pair is nominated.
    pub fn restart(&mut self, now: Instant, local: Credentials, remote_ufrag: String) {
        (self.local, self.remote_ufrag, self.heard) = (local, remote_ufrag, now);
    }

    /// Answers a check into `out`, if it is proven.
    ///
    /// # Errors
    /// When it is not: then nothing is answered, so that nobody is flooded by us.
    pub fn handle_check(
        &mut self,
        now: Instant,
        path: Path,
        request: &BindingRequest<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Check, Unproven> {
        let (ours, theirs) = (self.local.ufrag.as_str(), self.remote_ufrag.as_str());
        let is_ours = request.username.strip_prefix(ours.as_bytes());
        if is_ours.and_then(|rest| rest.strip_prefix(b":")) != Some(theirs.as_bytes()) {
            return Err(Unproven::Username);
        }
        if !request.is_signed_by(&self.local.key) {
            return Err(Unproven::Integrity);
        }
        if request.is_controlled {
            stun::write_role_conflict(request.transaction, &self.local.key, out);
            return Ok(Check::Proven);
        }
        self.heard = now;
        stun::write_success(request.transaction, path.remote, &self.local.key, out);
        let is_better = request.use_candidate || self.selected.is_none();
        if is_better && self.selected.replace(path) != Some(path) {
            return Ok(Check::Moved);
        }
        Ok(Check::Proven)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path { socket: 0, remote: ([192, 0, 2, 1], port).into() }
    }

    fn check(agent: &mut IceLite, port: u16, nominates: bool, of: &Credentials) -> Option<Check> {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        let username = format!("{}:peer", of.ufrag.as_str());
        stun::write_request([1; 12], &username, nominates, &of.key, &mut bytes);
        let request = BindingRequest::parse(&bytes).unwrap();
        agent.handle_check(Instant::now(), path(port), &request, &mut out).ok()
    }

    #[test]
    fn media_go_where_the_peer_nominates() {
        let credentials = Credentials::make().unwrap();
        let mut agent = IceLite::new(Instant::now(), credentials.clone(), "peer".to_owned());
        assert_eq!(check(&mut agent, 1, false, &credentials), Some(Check::Moved));
        assert_eq!(check(&mut agent, 2, false, &credentials), Some(Check::Proven));
        assert_eq!(agent.selected(), Some(path(1)));
        assert_eq!(check(&mut agent, 2, true, &credentials), Some(Check::Moved));
        assert_eq!(agent.selected(), Some(path(2)));
    }

    #[test]
    fn after_a_restart_the_old_names_count_no_more() {
        let [old, new] = [(); 2].map(|()| Credentials::make().unwrap());
        let mut agent = IceLite::new(Instant::now(), old.clone(), "peer".to_owned());
        check(&mut agent, 1, true, &old);
        agent.restart(Instant::now(), new.clone(), "peer".to_owned());
        assert_eq!(check(&mut agent, 3, true, &old), None);
        assert_eq!(agent.selected(), Some(path(1)));
        assert_eq!(check(&mut agent, 3, true, &new), Some(Check::Moved));
    }
}
