//! XEP-0484 Fast Authentication Streamlining Tokens: their life. A token is derived, never stored:
//! the storage keeps its generation, its end and how often it was used.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use super::mechanism::TokenMechanism;
use super::secret::ServerSecret;

/// Seconds that a token lives: a device that was away for longer logs in anew.
pub const TOKEN_LIFETIME_S: u64 = 90 * DAY_S;
/// Seconds after which a token that is used is replaced.
const ROTATION_AGE_S: u64 = 7 * DAY_S;
const DAY_S: u64 = 24 * 60 * 60;

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenHolder<'a> {
    /// The account's permanent id.
    pub account: &'a str,
    /// The `id` of SASL2's `<user-agent/>`.
    pub device: &'a str,
}

/// What a client asked of tokens while it logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenWish {
    /// `<request-token/>`: a new one, for this mechanism.
    pub request: Option<TokenMechanism>,
    /// `<fast count='…'/>`: rises with each use.
    pub count: Option<u32>,
    /// `<fast invalidate='true'/>`: the token that it used is to be void.
    pub invalidate: bool,
}

/// The tokens of one device: the one it uses, and the one that replaces it as soon as it is used.
/// Stored as `generation current next`, a missing token as `-`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceTokens {
    generation: u64,
    current: Option<Token>,
    next: Option<Token>,
}

impl DeviceTokens {
    /// What a log-in needs to know of them, at `now_s` (seconds since 1970).
    pub fn live(&self, holder: TokenHolder, secret: &ServerSecret, now_s: u64) -> Vec<LiveToken> {
        let tokens = self.next.iter().chain(&self.current);
        tokens.map(|token| token.live(holder, secret, now_s)).collect()
    }

    /// Whether nothing but counts tells them from `others`. A count guards TLS early data, which is
    /// not taken here: it is kept in memory, and stored with what else changes.
    pub fn are_but_for_counts(&self, others: &Self) -> bool {
        let uncounted = |token: &Option<Token>| token.map(|token| Token { count: None, ..token });
        self.generation == others.generation
            && uncounted(&self.current) == uncounted(&others.current)
            && uncounted(&self.next) == uncounted(&others.next)
    }

    /// Ends all tokens. Generations go on, so that none comes back.
    pub fn revoke(&mut self) {
        (self.current, self.next) = (None, None);
    }

    /// Takes note of a log-in, by the token of generation `used` or by a password, and gives the
    /// token that the client is to be told. The old one works until the new one is used.
    pub fn log_in(
        &mut self,
        used: Option<u64>,
        wish: TokenWish,
        holder: TokenHolder,
        secret: &ServerSecret,
        now_s: u64,
    ) -> Result<Option<NewToken>, TokenRefused> {
        let mut renewed = None;
        if let Some(generation) = used {
            let token = self.use_token(generation, wish.count, now_s)?;
            renewed = Some(token.mechanism).filter(|_| token.is_due(now_s));
        }
        // A device that logs out must not be left with a replacement that it has not used yet.
        if wish.invalidate && used.is_some() {
            (self.current, self.next) = (None, None);
            renewed = None;
        }
        let Some(mechanism) = wish.request.or(renewed) else { return Ok(None) };
        self.generation += 1;
        let expires_s = now_s.saturating_add(TOKEN_LIFETIME_S);
        let token = Token { generation: self.generation, mechanism, expires_s, count: None };
        self.next = Some(token);
        Ok(Some(NewToken { token: token.secret(holder, secret), expires_s }))
    }

    /// The last word, for the snapshot that the exchange saw may have aged: two connections may
    /// show the same proof at once.
    fn use_token(
        &mut self,
        generation: u64,
        count: Option<u32>,
        now_s: u64,
    ) -> Result<Token, TokenRefused> {
        let is_used = |token: &Token| token.generation == generation;
        if self.next.as_ref().is_some_and(is_used) {
            self.current = self.next.take();
        }
        let token = self.current.as_mut().filter(|token| is_used(token));
        let token = token.ok_or(TokenRefused::Replaced { generation })?;
        if token.has_expired(now_s) {
            return Err(TokenRefused::Expired { expires_s: token.expires_s });
        }
        if !is_fresh(token.count, count) {
            return Err(TokenRefused::Replayed { count: count.unwrap_or_default() });
        }
        token.count = count.or(token.count);
        Ok(*token)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token {
    generation: u64,
    mechanism: TokenMechanism,
    expires_s: u64,
    count: Option<u32>,
}

impl Token {
    fn live(&self, holder: TokenHolder, secret: &ServerSecret, now_s: u64) -> LiveToken {
        LiveToken {
            generation: self.generation,
            mechanism: self.mechanism,
            secret: self.secret(holder, secret),
            has_expired: self.has_expired(now_s),
            count: self.count,
        }
    }

    fn secret(&self, holder: TokenHolder, secret: &ServerSecret) -> String {
        let tag = secret.derive(
            "token",
            &[
                holder.account.as_bytes(),
                holder.device.as_bytes(),
                &self.generation.to_be_bytes(),
                &self.expires_s.to_be_bytes(),
                self.mechanism.name().as_bytes(),
            ],
        );
        BASE64URL_NOPAD.encode(tag.as_ref())
    }

    fn has_expired(&self, now_s: u64) -> bool {
        now_s >= self.expires_s
    }

    fn is_due(&self, now_s: u64) -> bool {
        self.expires_s.saturating_sub(now_s) <= TOKEN_LIFETIME_S - ROTATION_AGE_S
    }
}

/// A token as an exchange checks it.
#[derive(Clone, PartialEq, Eq)]
pub struct LiveToken {
    /// Names the token among the device's.
    pub generation: u64,
    /// The one mechanism that it works with.
    pub mechanism: TokenMechanism,
    /// The token itself.
    pub secret: String,
    /// Whether it is past its end.
    pub has_expired: bool,
    /// The highest `count` that was seen with it.
    pub count: Option<u32>,
}

impl LiveToken {
    pub(super) fn allows(&self, count: Option<u32>) -> bool {
        is_fresh(self.count, count)
    }
}

impl fmt::Debug for LiveToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveToken")
            .field("generation", &self.generation)
            .field("mechanism", &self.mechanism)
            .finish_non_exhaustive()
    }
}

/// A token that the client is to be told.
#[derive(Clone, PartialEq, Eq)]
pub struct NewToken {
    /// The token itself.
    pub token: String,
    /// Its end, in seconds since 1970.
    pub expires_s: u64,
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewToken").field("expires_s", &self.expires_s).finish_non_exhaustive()
    }
}

/// Why a token that fits is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefused {
    /// A newer one was used, or it was invalidated.
    #[error("the token of generation {generation} was replaced")]
    Replaced {
        /// Of the token that was shown.
        generation: u64,
    },
    /// It is past its end.
    #[error("the token's end was at {expires_s} s")]
    Expired {
        /// Seconds since 1970.
        expires_s: u64,
    },
    /// Its count is not higher than one that was seen.
    #[error("the token's count {count} was seen before")]
    Replayed {
        /// The count that was shown.
        count: u32,
    },
}

/// A client that counts must count up. One that does not is safe: nothing is taken from TLS early
/// data, and TLS itself lets nobody replay the rest.
fn is_fresh(seen: Option<u32>, count: Option<u32>) -> bool {
    count.is_none_or(|count| seen.is_none_or(|seen| count > seen))
}

impl fmt::Display for DeviceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.generation)?;
        for token in [&self.current, &self.next] {
            match token {
                None => f.write_str(" -")?,
                Some(token) => write!(f, " {token}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.generation, self.mechanism.name(), self.expires_s)?;
        self.count.map_or(Ok(()), |count| write!(f, ":{count}"))
    }
}

/// A stored text that is not the text of tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored tokens cannot be read: {text:?}")]
pub struct TokenError {
    /// What stands there.
    pub text: String,
}

impl FromStr for DeviceTokens {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        parse_tokens(text).ok_or_else(|| TokenError { text: text.into() })
    }
}

fn parse_tokens(text: &str) -> Option<DeviceTokens> {
    let mut fields = text.split(' ');
    let tokens = DeviceTokens {
        generation: fields.next()?.parse().ok()?,
        current: parse_slot(fields.next()?)?,
        next: parse_slot(fields.next()?)?,
    };
    fields.next().is_none().then_some(tokens)
}

fn parse_slot(text: &str) -> Option<Option<Token>> {
    if text == "-" {
        return Some(None);
    }
    let mut fields = text.split(':');
    let token = Token {
        generation: fields.next()?.parse().ok()?,
        mechanism: TokenMechanism::from_name(fields.next()?)?,
        expires_s: fields.next()?.parse().ok()?,
        count: fields.next().map(str::parse).transpose().ok()?,
    };
    fields.next().is_none().then_some(Some(token))
}
