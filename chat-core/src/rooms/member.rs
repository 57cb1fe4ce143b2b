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

/// A bucket that fills with time. Whoever has found it empty finds it closed for a while: what was sent
/// behind the one that is refused would otherwise come before it, for it is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    spent: u32,
    /// Up to when it is filled; while it is closed, that is to come.
    at_ms: u64,
}

impl Pace {
    /// Takes one; false where none is left.
    pub(crate) fn spend(&mut self, now_ms: u64) -> bool {
        let Some(elapsed_ms) = now_ms.checked_sub(self.at_ms) else { return false };
        let refilled = elapsed_ms / MESSAGE_EVERY_MS;
        self.at_ms += refilled * MESSAGE_EVERY_MS;
        self.spent = self.spent.saturating_sub(u32::try_from(refilled).unwrap_or(u32::MAX));
        let may_send = self.spent < MESSAGES_AT_ONCE_MAX;
        if may_send {
            self.spent += 1;
        } else {
            self.at_ms += u64::from(CLOSED_FOR) * MESSAGE_EVERY_MS;
            self.spent -= CLOSED_FOR;
        }
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
/// Messages by which it fills while it is closed: a second, longer than what is under way to the server.
const CLOSED_FOR: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_behind_a_refused_message_is_refused_too() {
        let mut pace = Pace::default();
        let mut taken = |now_ms, count: u32| (0..count).filter(|_| pace.spend(now_ms)).count();
        assert_eq!(taken(5_000, 70), 64);
        assert_eq!(taken(5_990, 1), 0, "there would be room for nine");
        assert_eq!(taken(6_000, 70), 10);
        assert_eq!(taken(60_000, 70), 64);
    }
}
