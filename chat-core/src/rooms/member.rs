//! A member of a room, and what it may do there.

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;

use super::NS;
use super::settings::Who;
use crate::config::Config;
use crate::id::MessageId;
use crate::jid::{AccountId, Jid, RoomId};
use crate::xml::Element;

/// XEP-0045 5.2, of members alone; a higher one may do what a lower one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Affiliation {
    Member,
    Admin,
    Owner,
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) affiliation: Affiliation,
    /// Its name in the room; no other member has it.
    pub(crate) nick: Box<str>,
    /// What the member gets of the log begins behind this message.
    pub(crate) since: MessageId,
    /// The message of its last change.
    pub(crate) changed: MessageId,
    /// No browser is told of messages.
    pub(crate) is_muted: bool,
    /// Of a conversation of two: it blocks the other one (XEP-0191).
    pub(crate) has_blocked: bool,
    /// Messages that it may send at once, and when that was so.
    pub(crate) pace: Pace,
}

/// A bucket that fills with time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    spent: u32,
    at_ms: u64,
}

impl Pace {
    /// Takes one; false where none is left.
    pub(crate) fn spend(&mut self, now_ms: u64) -> bool {
        let refilled = now_ms.saturating_sub(self.at_ms) / MESSAGE_EVERY_MS;
        if refilled > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(refilled).unwrap_or(u32::MAX));
            self.at_ms = now_ms;
        }
        let may_send = self.spent < MESSAGES_AT_ONCE_MAX;
        self.spent += u32::from(may_send);
        may_send
    }
}

impl Affiliation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Affiliation::Member => "member",
            Affiliation::Admin => "admin",
            Affiliation::Owner => "owner",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Affiliation> {
        Some(match text {
            "member" => Affiliation::Member,
            "admin" => Affiliation::Admin,
            "owner" => Affiliation::Owner,
            _ => return None,
        })
    }

    /// XEP-0045 5.1: the role of who has joined.
    pub(crate) fn role(self, may_post: Who) -> &'static str {
        match self {
            Affiliation::Admin | Affiliation::Owner => "moderator",
            Affiliation::Member if may_post == Who::Everyone => "participant",
            Affiliation::Member => "visitor",
        }
    }

    pub(crate) fn may(self, who: Who) -> bool {
        who == Who::Everyone || self >= Affiliation::Admin
    }
}

impl Member {
    pub(crate) fn new(affiliation: Affiliation, nick: &str, since: MessageId) -> Member {
        Member {
            affiliation,
            nick: nick.into(),
            since,
            changed: since,
            is_muted: false,
            has_blocked: false,
            pace: Pace::default(),
        }
    }

    pub(crate) fn read(value: &Element) -> Option<Member> {
        let id = |name| value.attr(name).and_then(MessageId::parse);
        let affiliation = Affiliation::parse(value.attr("affiliation")?)?;
        let mut member = Member::new(affiliation, value.attr("nick")?, id("since")?);
        member.changed = id("changed").unwrap_or(member.since);
        member.is_muted = value.attr("muted").is_some();
        member.has_blocked = value.attr("blocks").is_some();
        Some(member)
    }

    pub(crate) fn to_element(&self) -> Element {
        let mut member = Element::new("member", NS)
            .with_attr("affiliation", self.affiliation.as_str())
            .with_attr("nick", &*self.nick)
            .with_attr("since", self.since.to_string())
            .with_attr("changed", self.changed.to_string());
        for (name, is_so) in [("muted", self.is_muted), ("blocks", self.has_blocked)] {
            if is_so {
                member.set_attr(name, "true");
            }
        }
        member
    }
}

/// The JID of a member's account.
pub(crate) fn jid_of(config: &Config, account: AccountId) -> Jid {
    Jid::from_parts(Some(&account.to_string()), config.domain.domain(), None)
        .expect("an id is a lawful local part")
}

/// XEP-0421: what names a member in a room for good, whatever its nick is.
pub(crate) fn occupant_id(room: RoomId, account: AccountId) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{room} {account}").as_bytes());
    HEXLOWER.encode(&digest.as_ref()[..16])
}

/// Messages of one member that may come at once. Each goes to every other member.
const MESSAGES_AT_ONCE_MAX: u32 = 64;
/// In the long run a member sends one in this time.
const MESSAGE_EVERY_MS: u64 = 100;
