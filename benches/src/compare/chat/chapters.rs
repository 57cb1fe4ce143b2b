//! What is reported together: a section of its own in `RESULTS.md`, with its own remarks. A run of
//! some rows replaces the sections that they belong to, and leaves the others as they are.

use super::super::outcome::Subject;
use super::super::rows::Group;
use super::USERS;
use super::rows::{ChatRow, Kind};
use crate::chat::encrypted;

/// Some of the rows.
#[derive(Debug)]
pub struct Chapter {
    pub subject: Subject,
    /// Ends the name of its HTML report.
    pub name: &'static str,
    pub groups: &'static [Group],
    pub remarks: &'static [&'static str],
}

impl Chapter {
    /// Those of these rows that belong to it.
    pub fn rows(&self, rows: &[&'static ChatRow]) -> Vec<&'static ChatRow> {
        rows.iter().copied().filter(|row| self.groups.contains(&row.row.group)).collect()
    }
}

/// Accounts that a row needs, beside those of idle sessions.
pub fn accounts_of(row: &ChatRow) -> usize {
    match row.kind {
        Kind::Rooms { size, .. } => size.rooms * size.members,
        Kind::Encrypted(_) => encrypted::ACCOUNTS,
        _ => USERS,
    }
}

/// All, in the order of the report.
pub const CHAPTERS: [Chapter; 2] = [
    Chapter {
        subject: Subject {
            heading: "Chat, beside ejabberd and Prosody",
            lead: "Chat over XMPP: the server’s own CPU time, latency and memory, measured in one \
                   run.",
            against_each: true,
        },
        name: "chat",
        groups: &[Group::Messages, Group::Logins, Group::Sessions],
        remarks: &[
            CPU,
            "Messages: 200 users in pairs, each writing to the other, stanzas of 477 bytes. Every \
             copy is checked: received once, in order, from its sender; a run in which one is not \
             counts as failed. Routed: with the hint no-store, no stream management. Archived, \
             acknowledged, with carbons: two resources per user, each message followed by <r/>, \
             the next one sent when it is acknowledged and received. Messages per second: one \
             resource per user, four messages under way from each.",
            "Less is better everywhere but for messages/s. Latency is counted from the time at \
             which a message was due, whether the server kept up or not, at 1,000 per second over \
             all users.",
            "A login is: connect, authenticate, bind a resource; then the stream is ended. The \
             client uses SASL2 and Bind 2 where they are offered (two round trips less). Neither \
             peer's packaged version offers FAST.",
        ],
    },
    Chapter {
        subject: Subject {
            heading: "Groups, beside ejabberd's and Prosody's rooms",
            lead: "Groups over XMPP: the server’s own CPU time and latency, measured in one run.",
            against_each: true,
        },
        name: "groups",
        groups: &[Group::Rooms, Group::Encrypted],
        remarks: &[
            CPU,
            "Rooms: all members are connected, on a session each without stream management. At \
             Whimbrel they are members of a group (urn:whimbrel:groups:0), at its peers joined \
             occupants (XEP-0045). In each room one message of 477 bytes is under way at a time, \
             its author another member each time; the next is sent when all have it, and not \
             before each could say eight a second. Every copy is checked: received once, in order, \
             from the room. All servers keep the messages in the room's archive. The peers' rooms \
             tell no presences, so that a thousand can join.",
            "CPU is told per copy that is delivered, the author's own included; time is from \
             sending a message until the last member has it.",
            "The encrypted group: its founder, and 250 accounts with two devices each, of whom 5 \
             are there with one device unless said. Each claim is for one key package of each \
             device. Commits renew the founder's keys, before any other member has committed: \
             their path is encrypted to each leaf, the most that a commit can be. Leaves are added \
             by 100 accounts in one commit.",
        ],
    },
];

const CPU: &str = "CPU is the server's own, all its processes and threads, user and system, from \
                   the kernel's process clock before and after. Server and client have a core each; \
                   logs are off; loopback. ejabberd runs one scheduler without busy waiting.";
