//! RFC 5802 SCRAM, RFC 7677, and XEP-0474 SASL SCRAM Downgrade Protection.

use data_encoding::BASE64;

use super::channel::{Channel, ChannelBinding};
use super::credentials::Candidates;
use super::failure::SaslFailure;
use super::gs2::{Gs2Header, attribute, check_extension, decode_username};
use super::hash::ScramHash;
use super::keys::{PasswordMark, is_same};
use super::offer::Offer;
use super::secret::ServerNonce;

/// Bytes of the client's part of a nonce.
const CLIENT_NONCE_BYTES_MAX: usize = 256;

/// The client's first message.
#[derive(Clone, Debug)]
pub(super) struct ClientFirst {
    pub username: String,
    pub authzid: Option<String>,
    pub hash: ScramHash,
    gs2_header: String,
    binding: Option<ChannelBinding>,
    bare: String,
    nonce: String,
}

impl ClientFirst {
    pub fn parse(
        message: &str,
        hash: ScramHash,
        plus: bool,
        offer: &Offer,
        channel: &Channel,
    ) -> Result<Self, SaslFailure> {
        let (header, bare) = Gs2Header::parse(message)?;
        let binding = header.binding(plus, offer, channel)?;
        let mut fields = bare.split(',');
        let username = decode_username(attribute(fields.next(), 'n')?)?;
        let nonce = attribute(fields.next(), 'r')?;
        if nonce.len() > CLIENT_NONCE_BYTES_MAX
            || !nonce.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(SaslFailure::malformed("the nonce is too long or not printable"));
        }
        fields.try_for_each(check_extension)?;
        Ok(Self {
            username,
            hash,
            gs2_header: header.text.into(),
            binding,
            bare: bare.into(),
            nonce: nonce.into(),
            authzid: header.authzid,
        })
    }

    /// The server's first message, and what waits for the client's last one.
    pub fn challenge(
        self,
        candidates: Candidates,
        nonce: &ServerNonce,
        offer: &Offer,
    ) -> (String, Challenged) {
        let keys = candidates.shown();
        let nonce = format!("{}{}", self.nonce, nonce.0);
        let server_first = format!(
            "r={nonce},s={},i={},h={}",
            BASE64.encode(&keys.salt),
            keys.iterations,
            offer.downgrade_digest(self.hash)
        );
        let challenged =
            Challenged { first: self, nonce, server_first: server_first.clone(), candidates };
        (server_first, challenged)
    }
}

/// Waits for the client's last message.
#[derive(Clone, Debug)]
pub(super) struct Challenged {
    pub first: ClientFirst,
    nonce: String,
    server_first: String,
    candidates: Candidates,
}

impl Challenged {
    /// The password that the client proved to know, and the server's last message.
    pub fn finish(
        &self,
        message: &str,
        channel: &Channel,
    ) -> Result<(PasswordMark, String), SaslFailure> {
        let last = ClientFinal::parse(message)?;
        if last.nonce != self.nonce {
            return Err(SaslFailure::malformed("the nonce is another one"));
        }
        let binding = self.first.binding.map(|binding| channel.data(binding).unwrap_or_default());
        let bound = [self.first.gs2_header.as_bytes(), binding.unwrap_or_default()].concat();
        // A wrong binding is told apart from a wrong proof in nothing but the log.
        let is_bound = is_same(&last.channel_binding, &bound);
        let auth_message =
            [self.first.bare.as_str(), &self.server_first, last.without_proof].join(",");
        let auth_message = auth_message.as_bytes();
        let found = self.candidates.find(|keys| keys.verifies(auth_message, &last.proof));
        let proven = found.filter(|_| is_bound).ok_or(SaslFailure::NOT_AUTHORIZED)?;
        let signature = BASE64.encode(&proven.server_signature(auth_message));
        Ok((proven.mark(), format!("v={signature}")))
    }
}

/// The client's last message.
struct ClientFinal<'a> {
    channel_binding: Vec<u8>,
    nonce: &'a str,
    proof: Vec<u8>,
    without_proof: &'a str,
}

impl<'a> ClientFinal<'a> {
    fn parse(message: &'a str) -> Result<Self, SaslFailure> {
        let wrong = SaslFailure::malformed("the last message has no proof");
        let (without_proof, proof) = message.rsplit_once(",p=").ok_or(wrong)?;
        let mut fields = without_proof.split(',');
        let channel_binding = decoded(attribute(fields.next(), 'c')?)?;
        let nonce = attribute(fields.next(), 'r')?;
        fields.try_for_each(check_extension)?;
        Ok(Self { channel_binding, nonce, proof: decoded(proof)?, without_proof })
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, SaslFailure> {
    let wrong = SaslFailure::malformed("an attribute is not base64");
    BASE64.decode(text.as_bytes()).map_err(|_| wrong)
}
