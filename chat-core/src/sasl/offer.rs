//! Which mechanisms are offered under which circumstances, in order of preference.

use data_encoding::BASE64;

use super::channel::{Channel, ChannelBinding};
use super::hash::ScramHash;
use super::mechanism::{Mechanism, TokenMechanism};

/// What the operator and the SASL profile allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// PLAIN, which is offered over TLS only.
    pub plain: bool,
    /// Tokens: XEP-0484 belongs to SASL2, RFC 6120's profile has none.
    pub tokens: bool,
}

/// What one stream is offered under one SASL profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    mechanisms: Vec<Mechanism>,
    tokens: Vec<TokenMechanism>,
    bindings: Vec<ChannelBinding>,
}

impl Offer {
    /// What `channel` and `policy` allow.
    pub fn new(channel: &Channel, policy: Policy) -> Self {
        let bindings: Vec<_> = channel.bindings().collect();
        let mut mechanisms = Vec::new();
        for plus in [true, false] {
            if plus && bindings.is_empty() {
                continue;
            }
            mechanisms.extend(ScramHash::ALL.map(|hash| Mechanism::Scram { hash, plus }));
        }
        // RFC 4616 4: a password in the clear needs a channel that nobody reads.
        if policy.plain && channel.is_encrypted() {
            mechanisms.push(Mechanism::Plain);
        }
        let can_bind = |token: &TokenMechanism| {
            token.binding().is_none_or(|binding| bindings.contains(&binding))
        };
        let tokens =
            TokenMechanism::ALL.into_iter().filter(|token| policy.tokens && can_bind(token));
        Self { tokens: tokens.collect(), mechanisms, bindings }
    }

    /// For passwords; the preferred one first.
    pub fn mechanisms(&self) -> &[Mechanism] {
        &self.mechanisms
    }

    /// For tokens (XEP-0484); the preferred one first.
    pub fn tokens(&self) -> &[TokenMechanism] {
        &self.tokens
    }

    /// For XEP-0440; the preferred one first.
    pub fn channel_bindings(&self) -> &[ChannelBinding] {
        &self.bindings
    }

    /// The offered mechanism of that name.
    pub fn find(&self, name: &str) -> Option<Mechanism> {
        let tokens = self.tokens.iter().map(|token| Mechanism::HashedToken(*token));
        self.mechanisms.iter().copied().chain(tokens).find(|mechanism| mechanism.name() == name)
    }

    pub(super) fn has_channel_binding(&self) -> bool {
        !self.bindings.is_empty()
    }

    /// XEP-0474: the digest of both lists, in base64. The proof covers it, so that a client notices
    /// if somebody shortened a list on its way.
    pub(super) fn downgrade_digest(&self, hash: ScramHash) -> String {
        let mut text = sorted(self.mechanisms.iter().map(|mechanism| mechanism.name()));
        if self.has_channel_binding() {
            text.push('\u{1f}');
            text.push_str(&sorted(self.bindings.iter().map(|binding| binding.name())));
        }
        BASE64.encode(&hash.digest(text.as_bytes()))
    }

    #[cfg(test)]
    pub(super) fn of(mechanisms: &[Mechanism], bindings: &[ChannelBinding]) -> Self {
        Self { mechanisms: mechanisms.into(), tokens: Vec::new(), bindings: bindings.into() }
    }
}

fn sorted(names: impl Iterator<Item = &'static str>) -> String {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.join("\u{1e}")
}
