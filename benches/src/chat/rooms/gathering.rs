//! How users come together in rooms: as members of a group, or by joining a room of XEP-0045.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::load::Interrupt;
use crate::xmpp::questions::{self, Question};
use crate::xmpp::{Event, Pool, find};

/// What the rooms are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `urn:whimbrel:groups:0`: members get messages without joining.
    Groups,
    /// XEP-0045: occupants.
    Muc,
}

impl Protocol {
    /// Makes a room of these slots' users and says its address.
    ///
    /// # Errors
    /// The server refuses the room or one of the users.
    pub fn gather(
        self,
        pool: &mut Pool,
        domain: &str,
        slots: &[usize],
        interrupt: &Interrupt,
    ) -> Result<String, BenchError> {
        match self {
            Self::Groups => found(pool, domain, slots, interrupt),
            Self::Muc => join_all(pool, domain, slots, interrupt),
        }
    }

    /// Ends a room; one of XEP-0045 ends when its last occupant goes.
    ///
    /// # Errors
    /// The server refuses.
    pub fn disband(
        self,
        pool: &mut Pool,
        room: &str,
        owner: usize,
        interrupt: &Interrupt,
    ) -> Result<(), BenchError> {
        if self == Self::Groups {
            destroy(pool, room, owner, interrupt)?;
        }
        Ok(())
    }
}

/// Ends a group.
///
/// # Errors
/// The server refuses.
pub fn destroy(
    pool: &mut Pool,
    room: &str,
    owner: usize,
    interrupt: &Interrupt,
) -> Result<(), BenchError> {
    let payload = format!("<destroy xmlns='{GROUPS}'/>");
    let question = Question { slot: owner, kind: "set", to: Some(room.to_owned()), payload };
    questions::ask(pool, &[question], "ending a group", interrupt, &mut |_, _| {})?;
    Ok(())
}

/// The first slot's user makes a group with all others in it.
fn found(
    pool: &mut Pool,
    domain: &str,
    slots: &[usize],
    interrupt: &Interrupt,
) -> Result<String, BenchError> {
    let jids: Vec<String> = slots.iter().map(|slot| bare_jid(pool, *slot)).collect();
    let others = jids[1..].iter().map(|jid| format!("<member jid='{jid}'/>"));
    let payload = format!("<create xmlns='{GROUPS}'>{}</create>", others.collect::<String>());
    create(pool, domain, slots[0], payload, interrupt)
}

/// Asks for a group, and says its address.
///
/// # Errors
/// The server refuses, or leaves somebody out.
pub fn create(
    pool: &mut Pool,
    domain: &str,
    owner: usize,
    payload: String,
    interrupt: &Interrupt,
) -> Result<String, BenchError> {
    let to = Some(format!("groups.{domain}"));
    let question = Question { slot: owner, kind: "set", to, payload };
    let answers = questions::ask(pool, &[question], CREATING, interrupt, &mut |_, _| {})?;
    let answer = answers.first().map(Vec::as_slice).unwrap_or_default();
    created(answer)
        .ok_or_else(|| BenchError::Refused { what: CREATING, answer: questions::shown(answer) })
}

/// The address of a group that was made with all who were named.
fn created(answer: &[u8]) -> Option<String> {
    let group = find::descendant(answer, "group")?;
    if find::descendant(group, "absent").is_some() {
        return None;
    }
    Some(String::from_utf8_lossy(find::attribute(group, "jid")?).into_owned())
}

/// XEP-0045 7.2: the first one's join makes the room.
fn join_all(
    pool: &mut Pool,
    domain: &str,
    slots: &[usize],
    interrupt: &Interrupt,
) -> Result<String, BenchError> {
    let room = format!("bench-{:08x}@conference.{domain}", fastrand::u32(..));
    join(pool, &room, &slots[..1], interrupt)?;
    join(pool, &room, &slots[1..], interrupt)?;
    Ok(room)
}

fn join(
    pool: &mut Pool,
    room: &str,
    slots: &[usize],
    interrupt: &Interrupt,
) -> Result<(), BenchError> {
    let mut waiting = HashSet::new();
    let (mut next, mut failure) = (0, None);
    let mut deadline = Instant::now() + JOIN_MAX;
    while next < slots.len() || !waiting.is_empty() {
        interrupt.check()?;
        while next < slots.len() && waiting.len() < JOINS_AT_ONCE {
            let presence = format!(
                "<presence to='{room}/user{}'><x xmlns='http://jabber.org/protocol/muc'>\
                 <history maxstanzas='0'/></x></presence>",
                slots[next]
            );
            if let Some(client) = pool.client(slots[next]) {
                client.write_stanza(presence.as_bytes());
            }
            pool.flush(slots[next]);
            waiting.insert(slots[next]);
            next += 1;
        }
        let before = waiting.len();
        pool.turn(WAIT_MAX, &mut |slot, event| match event {
            Event::Other(stanza) => match joined(stanza, room) {
                Some(true) => drop(waiting.remove(&slot)),
                Some(false) => failure = Some(questions::shown(stanza)),
                None => {}
            },
            Event::Lost(error) => failure = Some(error.to_string()),
            _ => {}
        })?;
        if waiting.len() < before {
            deadline = Instant::now() + JOIN_MAX;
        }
        let late = Instant::now() >= deadline;
        if let Some(answer) = failure.take().or(late.then(|| "no answer in time".to_owned())) {
            return Err(BenchError::Refused { what: "joining a room", answer });
        }
    }
    Ok(())
}

/// Whether a stanza says that the one who gets it is in the room (XEP-0045 7.2.2, status 110), or
/// that it is not.
fn joined(stanza: &[u8], room: &str) -> Option<bool> {
    let from = find::attribute(stanza, "from")?;
    if find::name(stanza) != b"presence" || !from.starts_with(room.as_bytes()) {
        return None;
    }
    if find::attribute(stanza, "type") == Some(b"error") {
        return Some(false);
    }
    let mut codes = find::descendants(stanza, "status");
    codes.any(|status| find::attribute(status, "code") == Some(b"110")).then_some(true)
}

/// The bare JID of a slot's user.
pub fn bare_jid(pool: &mut Pool, slot: usize) -> String {
    let account = pool.client(slot).map(|client| client.account);
    account.map_or(String::new(), |account| pool.accounts[account].jid.clone())
}

/// The namespace of groups.
pub const GROUPS: &str = "urn:whimbrel:groups:0";
const CREATING: &str = "making a group";
const JOINS_AT_ONCE: usize = 32;
/// A room into which nobody comes for so long does not answer.
const JOIN_MAX: Duration = Duration::from_secs(30);
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn check_joined(stanza: &str, expected: Option<bool>) {
        assert_eq!(joined(stanza.as_bytes(), "r@c"), expected, "{stanza}");
    }

    #[test]
    fn own_presence_of_the_room_is_told() {
        let x = "<x xmlns='http://jabber.org/protocol/muc#user'><item role='participant'/>";
        let own = "<status code='100'/><status code=\"110\"/></x></presence>";
        check_joined(&format!("<presence from='r@c/u'>{x}{own}"), Some(true));
        check_joined(&format!("<presence from='r@c/u'>{x}</x></presence>"), None);
        check_joined(&format!("<presence from='other@c/u'>{x}{own}"), None);
        check_joined("<presence from='r@c/u' type='error'><error/></presence>", Some(false));
        check_joined("<iq from='r@c/u' type='error'><status code='110'/></iq>", None);
    }

    #[test]
    fn a_group_without_one_of_its_members_is_none() {
        let answer = |inner: &str| {
            format!("<iq type='result'><group xmlns='{GROUPS}' jid='r@g'>{inner}</group></iq>")
        };
        assert_eq!(created(answer("").as_bytes()).as_deref(), Some("r@g"));
        assert_eq!(created(answer("<absent jid='a@l'/>").as_bytes()), None);
        assert_eq!(created(b"<iq type='result'/>"), None);
    }
}
