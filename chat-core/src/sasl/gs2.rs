//! RFC 5802 5.1 and 7: the GS2 header, names in it, and attributes behind it.

use super::USERNAME_BYTES_MAX;
use super::channel::{Channel, ChannelBinding};
use super::failure::{SaslCondition, SaslFailure};
use super::offer::Offer;
use super::prepare;

/// What a client says of channel binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gs2Flag<'a> {
    /// `n`: it knows none.
    Unsupported,
    /// `y`: it knows some, but saw none offered.
    NotOffered,
    /// `p=…`: it binds to this type.
    Binding(&'a str),
}

/// The header that opens a SCRAM exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Gs2Header<'a> {
    pub flag: Gs2Flag<'a>,
    /// As whom the client wants to act.
    pub authzid: Option<String>,
    /// The header as it was sent: the client's last message repeats it.
    pub text: &'a str,
}

impl<'a> Gs2Header<'a> {
    /// The header and what follows it.
    pub fn parse(message: &'a str) -> Result<(Self, &'a str), SaslFailure> {
        let mut fields = message.splitn(3, ',');
        let (Some(flag), Some(authzid), Some(rest)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(SaslFailure::malformed("the GS2 header is not whole"));
        };
        let text = &message[..message.len() - rest.len()];
        let header = Self { flag: parse_flag(flag)?, authzid: parse_authzid(authzid)?, text };
        Ok((header, rest))
    }

    /// The type that the exchange is bound to, if the mechanism binds. RFC 5802 6: each flag fits
    /// one kind of mechanism, and `y` where binding was offered means that somebody hid the offer.
    pub fn binding(
        &self,
        plus: bool,
        offer: &Offer,
        channel: &Channel,
    ) -> Result<Option<ChannelBinding>, SaslFailure> {
        match (self.flag, plus) {
            (Gs2Flag::Unsupported, false) => Ok(None),
            (Gs2Flag::NotOffered, false) if !offer.has_channel_binding() => Ok(None),
            (Gs2Flag::NotOffered, false) => Err(SaslFailure::because(
                SaslCondition::NotAuthorized,
                "the server does offer channel binding: somebody hid it",
            )),
            (Gs2Flag::Binding(name), true) => ChannelBinding::from_name(name)
                .filter(|binding| channel.data(*binding).is_some())
                .map(Some)
                .ok_or(SaslFailure::malformed("that type of channel binding is not offered")),
            (Gs2Flag::Binding(_), false) => {
                Err(SaslFailure::malformed("channel binding needs a mechanism with -PLUS"))
            }
            (_, true) => Err(SaslFailure::malformed("the mechanism needs channel binding")),
        }
    }
}

fn parse_flag(flag: &str) -> Result<Gs2Flag<'_>, SaslFailure> {
    match flag {
        "n" => Ok(Gs2Flag::Unsupported),
        "y" => Ok(Gs2Flag::NotOffered),
        _ => {
            let name = flag.strip_prefix("p=").filter(|name| !name.is_empty());
            let wrong = SaslFailure::malformed("the GS2 header has an unknown flag");
            name.map(Gs2Flag::Binding).ok_or(wrong)
        }
    }
}

fn parse_authzid(field: &str) -> Result<Option<String>, SaslFailure> {
    if field.is_empty() {
        return Ok(None);
    }
    let wrong = SaslFailure::malformed("the GS2 header has an unknown field");
    let name = decode_name(field.strip_prefix("a=").ok_or(wrong)?)?;
    if name.is_empty() || name.len() > USERNAME_BYTES_MAX {
        return Err(SaslFailure::malformed("the authorization identity has a wrong length"));
    }
    Ok(Some(name))
}

/// A user name as written in `n=`: unescaped, then SASLprep.
pub(super) fn decode_username(field: &str) -> Result<String, SaslFailure> {
    prepare::username(&decode_name(field)?)
}

/// RFC 5802 7 `saslname`: a comma is written `=2C`, an equals sign `=3D`, and no other `=` stands.
fn decode_name(field: &str) -> Result<String, SaslFailure> {
    let mut pieces = field.split('=');
    let mut name = String::from(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (character, rest) = match piece.split_at_checked(2) {
            Some(("2C", rest)) => (',', rest),
            Some(("3D", rest)) => ('=', rest),
            _ => return Err(SaslFailure::malformed("a name has an unknown escape")),
        };
        name.push(character);
        name.push_str(rest);
    }
    if name.contains('\0') {
        return Err(SaslFailure::malformed("a name has a zero"));
    }
    Ok(name)
}

/// The value of the attribute `name`, where `field` must be that attribute.
pub(super) fn attribute(field: Option<&str>, name: char) -> Result<&str, SaslFailure> {
    let wrong = SaslFailure::malformed("an attribute is missing or out of place");
    let value = field.and_then(|field| field.strip_prefix(name)?.strip_prefix('='));
    value.filter(|value| !value.is_empty() && !value.contains('\0')).ok_or(wrong)
}

/// RFC 5802 5.1: extensions that are not known are passed over, except mandatory ones (`m`).
pub(super) fn check_extension(field: &str) -> Result<(), SaslFailure> {
    let mut characters = field.chars();
    match (characters.next(), characters.next()) {
        (Some('m'), Some('=')) => {
            Err(SaslFailure::malformed("a mandatory extension is not supported"))
        }
        (Some(name), Some('=')) if name.is_ascii_alphabetic() => Ok(()),
        _ => Err(SaslFailure::malformed("an extension is malformed")),
    }
}
