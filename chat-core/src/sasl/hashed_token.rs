//! draft-schmaus-kitten-sasl-ht-09: the proof of a token in one message.

use aws_lc_rs::hmac;

use super::channel::Channel;
use super::credentials::Credentials;
use super::failure::{SaslCondition, SaslFailure};
use super::keys::is_same;
use super::mechanism::TokenMechanism;
use super::prepare;
use super::token::LiveToken;

/// The client's only message.
#[derive(Clone, Debug)]
pub(super) struct InitiatorMessage {
    pub username: String,
    pub mechanism: TokenMechanism,
    hashed_token: Vec<u8>,
}

impl InitiatorMessage {
    pub fn parse(message: &[u8], mechanism: TokenMechanism) -> Result<Self, SaslFailure> {
        let wrong = SaslFailure::malformed("a hashed token follows a user name and a zero");
        let zero = message.iter().position(|byte| *byte == 0).ok_or(wrong)?;
        let username = std::str::from_utf8(&message[..zero]).map_err(|_| wrong)?;
        Ok(Self {
            username: prepare::username(username)?,
            mechanism,
            hashed_token: message[zero + 1..].to_vec(),
        })
    }

    /// The generation of the token that the client has, and the answer that proves that the server
    /// has it too.
    pub fn verify(
        &self,
        known: Option<&Credentials>,
        count: Option<u32>,
        channel: &Channel,
    ) -> Result<(u64, Vec<u8>), SaslFailure> {
        let bound = self.mechanism.binding().map(|binding| channel.data(binding));
        let bound = bound.unwrap_or(Some(&[])).ok_or(SaslCondition::InvalidMechanism)?;
        let proves =
            |token: &LiveToken| is_same(&proof(token, "Initiator", bound), &self.hashed_token);
        let tokens = known.map(|known| known.tokens.as_slice()).unwrap_or_default();
        let found =
            tokens.iter().fold(None, |found, token| found.or(proves(token).then_some(token)));
        // XEP-0484: a token for a mechanism that binds must not pass by one that does not.
        let is_ours = |token: &&LiveToken| token.mechanism == self.mechanism;
        let token = found.filter(is_ours).ok_or(SaslFailure::NOT_AUTHORIZED)?;
        if token.has_expired {
            return Err(SaslCondition::CredentialsExpired.into());
        }
        if !token.allows(count) {
            return Err(SaslFailure::because(SaslCondition::NotAuthorized, "the count was seen"));
        }
        Ok((token.generation, proof(token, "Responder", bound)))
    }
}

fn proof(token: &LiveToken, who: &str, bound: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, token.secret.as_bytes());
    hmac::sign(&key, &[who.as_bytes(), bound].concat()).as_ref().to_vec()
}
