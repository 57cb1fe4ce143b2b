//! The rows of `compare chat`: what is measured, in which unit, and what it must reach.

use crate::chat::storm::LoginKind;
use crate::xmpp::Transport;

use super::super::rows::{Goal, Group, Row, Unit};
use super::super::server::Server;

/// A row, and how its cells are measured.
#[derive(Debug)]
pub struct ChatRow {
    pub row: Row,
    pub kind: Kind,
}

/// How a cell is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// CPU per message, closed loop.
    Cost(Talk),
    /// Messages per second, closed loop.
    Throughput(Talk),
    /// The 99th percentile, open loop.
    Latency { talk: Talk, per_second: f64, until: Until },
    /// CPU per login.
    Login(LoginKind),
    /// Memory of idle sessions.
    Idle(Transport),
    /// Rooms in which one message at a time is under way.
    Rooms { size: RoomSize, figure: RoomFigure },
    /// An encrypted group.
    Encrypted(EncryptedFigure),
}

/// How many rooms of how many members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomSize {
    pub rooms: usize,
    pub members: usize,
}

/// What is told of rooms. One measurement has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomFigure {
    /// CPU for each copy that is delivered.
    Copy,
    /// Half of the messages are at their last member by then.
    Last50,
    /// 99 % are.
    Last99,
}

/// What is told of an encrypted group. One measurement has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptedFigure {
    Claim,
    ClaimAnswer,
    Add,
    AddMessages,
    Commit,
    CommitAnswer,
    CommitToAll,
}

/// How users talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Talk {
    /// The server is to keep messages.
    pub stored: bool,
    /// Each message is acknowledged (XEP-0198).
    pub acknowledged: bool,
    /// A second resource per user, with carbons.
    pub carbons: bool,
    pub window: u64,
}

/// Where a message's time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// At the sender, with the server's acknowledgement.
    Acknowledged,
    /// At the receiver.
    Delivered,
}

const fn latency(id: &'static str, title: &'static str, until: Until) -> ChatRow {
    let goals = &[Goal::Value(5.0)];
    ChatRow {
        row: Row { id, title, group: Group::Messages, unit: Unit::Millis, goals },
        kind: Kind::Latency { talk: DURABLE, per_second: 1_000.0, until },
    }
}

const fn login(
    id: &'static str,
    title: &'static str,
    kind: LoginKind,
    goals: &'static [Goal],
) -> ChatRow {
    ChatRow {
        row: Row { id, title, group: Group::Logins, unit: Unit::MicrosPerLogin, goals },
        kind: Kind::Login(kind),
    }
}

const fn idle(
    id: &'static str,
    title: &'static str,
    transport: Transport,
    goals: &'static [Goal],
) -> ChatRow {
    ChatRow {
        row: Row { id, title, group: Group::Sessions, unit: Unit::BytesPerConnection, goals },
        kind: Kind::Idle(transport),
    }
}

const fn room(
    id: &'static str,
    title: &'static str,
    size: RoomSize,
    figure: RoomFigure,
) -> ChatRow {
    let (unit, goals): (Unit, &[Goal]) = match figure {
        RoomFigure::Copy => (Unit::MicrosPerCopy, &[Goal::Peer(Server::Ejabberd, 0.2)]),
        RoomFigure::Last50 | RoomFigure::Last99 => (Unit::Millis, &[]),
    };
    let kind = Kind::Rooms { size, figure };
    ChatRow { row: Row { id, title, group: Group::Rooms, unit, goals }, kind }
}

const fn encrypted(
    id: &'static str,
    title: &'static str,
    figure: EncryptedFigure,
    goals: &'static [Goal],
) -> ChatRow {
    let unit = match figure {
        EncryptedFigure::AddMessages => Unit::MessagesPerMember,
        _ => Unit::Millis,
    };
    let kind = Kind::Encrypted(figure);
    ChatRow { row: Row { id, title, group: Group::Encrypted, unit, goals }, kind }
}

const OF_TEN: RoomSize = RoomSize { rooms: 20, members: 10 };
const OF_HUNDRED: RoomSize = RoomSize { rooms: 2, members: 100 };
const OF_THOUSAND: RoomSize = RoomSize { rooms: 1, members: 1_000 };
const ROUTED: Talk = Talk { stored: false, acknowledged: false, carbons: false, window: 1 };
const ARCHIVED: Talk = Talk { stored: true, acknowledged: true, carbons: true, window: 1 };
const DURABLE: Talk = Talk { stored: true, acknowledged: true, carbons: false, window: 4 };

/// All rows, in the order of the report.
pub static ROWS: &[ChatRow] = &[
    ChatRow {
        row: Row {
            id: "routed",
            title: "routed only (no-store)",
            group: Group::Messages,
            unit: Unit::MicrosPerMessage,
            goals: &[Goal::Value(15.0), Goal::Peer(Server::Ejabberd, 0.15)],
        },
        kind: Kind::Cost(ROUTED),
    },
    ChatRow {
        row: Row {
            id: "archived",
            title: "archived, acknowledged, with carbons",
            group: Group::Messages,
            unit: Unit::MicrosPerMessage,
            goals: &[Goal::Value(60.0), Goal::Peer(Server::Ejabberd, 0.06)],
        },
        kind: Kind::Cost(ARCHIVED),
    },
    ChatRow {
        row: Row {
            id: "throughput",
            title: "archived and acknowledged (more is better)",
            group: Group::Messages,
            unit: Unit::MessagesPerSecond,
            goals: &[Goal::AtLeast(10_000.0)],
        },
        kind: Kind::Throughput(DURABLE),
    },
    latency("latency-ack", "to the acknowledgement, 99 % at 1,000/s", Until::Acknowledged),
    latency("latency-delivery", "to the receiver, 99 % at 1,000/s", Until::Delivered),
    login("login-scram", "by password", LoginKind::Scram, &[Goal::Peer(Server::Ejabberd, 0.25)]),
    login("login-fast", "by FAST token", LoginKind::Fast, &[Goal::Value(100.0)]),
    idle("idle-plain", "memory (RSS), plain", Transport::Plain, &[Goal::Value(5.0 * 1024.0)]),
    idle("idle-tls", "memory (RSS), TLS", Transport::Tls, &[Goal::Value(14.0 * 1024.0)]),
    idle(
        "idle-websocket",
        "memory (RSS), WebSocket over TLS",
        Transport::WebsocketTls,
        &[Goal::Value(16.0 * 1024.0)],
    ),
    room("rooms-10", "20 rooms of 10", OF_TEN, RoomFigure::Copy),
    room("rooms-10-last50", "20 rooms of 10: to the last member, 50 %", OF_TEN, RoomFigure::Last50),
    room("rooms-10-last99", "20 rooms of 10: to the last member, 99 %", OF_TEN, RoomFigure::Last99),
    room("rooms-100", "2 rooms of 100", OF_HUNDRED, RoomFigure::Copy),
    room(
        "rooms-100-last50",
        "2 rooms of 100: to the last member, 50 %",
        OF_HUNDRED,
        RoomFigure::Last50,
    ),
    room(
        "rooms-100-last99",
        "2 rooms of 100: to the last member, 99 %",
        OF_HUNDRED,
        RoomFigure::Last99,
    ),
    room("rooms-1000", "a room of 1,000", OF_THOUSAND, RoomFigure::Copy),
    room(
        "rooms-1000-last50",
        "a room of 1,000: to the last member, 50 %",
        OF_THOUSAND,
        RoomFigure::Last50,
    ),
    room(
        "rooms-1000-last99",
        "a room of 1,000: to the last member, 99 %",
        OF_THOUSAND,
        RoomFigure::Last99,
    ),
    encrypted(
        "encrypted-claim",
        "claim of 500 key packages, CPU",
        EncryptedFigure::Claim,
        &[Goal::Value(50.0)],
    ),
    encrypted(
        "encrypted-claim-answer",
        "claim of 500 key packages, to its answer",
        EncryptedFigure::ClaimAnswer,
        &[Goal::Value(50.0)],
    ),
    encrypted(
        "encrypted-add",
        "adding 100 members (200 devices) by one commit, CPU",
        EncryptedFigure::Add,
        &[],
    ),
    encrypted(
        "encrypted-add-messages",
        "messages of the room for that, at a member",
        EncryptedFigure::AddMessages,
        &[Goal::Value(1.0)],
    ),
    encrypted(
        "encrypted-commit",
        "commit, six devices there, CPU",
        EncryptedFigure::Commit,
        &[Goal::Value(10.0)],
    ),
    encrypted(
        "encrypted-commit-answer",
        "commit, six devices there, to its answer",
        EncryptedFigure::CommitAnswer,
        &[],
    ),
    encrypted(
        "encrypted-commit-to-all",
        "commit, all 501 devices there, CPU",
        EncryptedFigure::CommitToAll,
        &[],
    ),
];

#[cfg(test)]
mod tests {
    use super::super::super::rows::select;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_selectable() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.row.id).collect();
        assert_eq!(names.len(), ROWS.len());
        let count = |filter: &[&str]| {
            let filter: Vec<String> = filter.iter().map(|part| (*part).to_owned()).collect();
            select(ROWS, |row| &row.row, &filter).len()
        };
        assert_eq!(count(&[]), ROWS.len());
        assert_eq!(count(&["login"]), 2);
        assert_eq!(count(&["rooms-10"]), 1);
        assert_eq!(count(&["rooms-10-", "rooms-100"]), 3);
        assert_eq!(count(&["rooms"]), 9);
    }
}
