//! XEP-0484 FAST: tokens in place of a password, proved by HT-SHA-256.

use aws_lc_rs::{digest, hmac};

use super::find;

/// What a client does with FAST.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FastUse {
    #[default]
    None,
    /// Asks for a token at a login by password.
    RequestToken,
    /// Logs in by the token it has.
    UseToken,
}

/// A token, bound to the mechanism it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub mechanism: HtMechanism,
    pub secret: Vec<u8>,
    /// Logins by it so far: 0-RTT would be checked against it.
    pub count: u32,
}

/// The hashed tokens this client can prove (draft-schmaus-kitten-sasl-ht).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtMechanism {
    /// Bound to the server's certificate (RFC 5929 tls-server-end-point).
    Endpoint,
    None,
}

impl HtMechanism {
    /// The one to use, of those that the features offer; without TLS only the unbound one.
    pub fn choose(features: &[u8], is_encrypted: bool) -> Option<Self> {
        let fast = find::descendant(features, "fast")?;
        let end = memchr::memmem::find(fast, b"</fast>")?;
        let offers = |mechanism: Self| find::holds(&fast[..end], mechanism.name());
        let usable = [Self::Endpoint, Self::None];
        usable.into_iter().filter(|m| is_encrypted || *m == Self::None).find(|m| offers(*m))
    }

    /// Its name in SASL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Endpoint => "HT-SHA-256-ENDP",
            Self::None => "HT-SHA-256-NONE",
        }
    }

    fn binding(self, certificate: Option<&[u8]>) -> Vec<u8> {
        match (self, certificate) {
            (Self::Endpoint, Some(certificate)) => {
                digest::digest(&digest::SHA256, certificate).as_ref().to_vec()
            }
            _ => Vec::new(),
        }
    }
}

impl Token {
    /// The one message of a login.
    pub fn prove(&self, user: &str, certificate: Option<&[u8]>) -> Vec<u8> {
        [user.as_bytes(), b"\0", &self.sign(b"Initiator", certificate)].concat()
    }

    /// Whether the server too knows the token.
    pub fn is_answered_by(&self, message: &[u8], certificate: Option<&[u8]>) -> bool {
        message == self.sign(b"Responder", certificate)
    }

    fn sign(&self, role: &[u8], certificate: Option<&[u8]>) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.secret);
        let signed = [role, &self.mechanism.binding(certificate)].concat();
        hmac::sign(&key, &signed).as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(features: &str, is_encrypted: bool, expected: Option<HtMechanism>) {
        let chosen = HtMechanism::choose(features.as_bytes(), is_encrypted);
        assert_eq!(chosen, expected, "{features}");
    }

    #[test]
    fn mechanisms_are_chosen_of_those_offered() {
        let both = "<f><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-ENDP</mechanism>\
                    <mechanism>HT-SHA-256-NONE</mechanism></fast></f>";
        check(both, true, Some(HtMechanism::Endpoint));
        check(both, false, Some(HtMechanism::None));
        check("<f><mechanism>HT-SHA-256-NONE</mechanism></f>", true, None);
    }

    #[test]
    fn both_sides_prove_the_token() {
        let token = Token { mechanism: HtMechanism::Endpoint, secret: b"s".to_vec(), count: 0 };
        let certificate = Some(b"der".as_slice());
        assert!(token.prove("u", certificate).starts_with(b"u\0"));
        assert_ne!(token.prove("u", certificate), token.prove("u", None));
        let answer = token.sign(b"Responder", certificate);
        assert!(token.is_answered_by(&answer, certificate));
        assert!(!token.is_answered_by(&token.sign(b"Initiator", certificate), certificate));
    }
}
