//! The rows of `compare chat`: what is measured, in which unit, and what it must reach.

use crate::chat::storm::LoginKind;
use crate::xmpp::Transport;

use super::super::rows::{self, Goal, Group, Row, Unit};
use super::super::server::Server;

/// A row, and how its cells are measured.
#[derive(Debug)]
pub struct ChatRow {
    pub row: Row,
    pub kind: Kind,
}

/// How a cell is measured.
#[derive(Clone, Copy, Debug)]
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
}

/// How users talk.
#[derive(Clone, Copy, Debug)]
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

/// The rows that `filter` selects.
pub fn select(filter: &[String]) -> Vec<&'static ChatRow> {
    ROWS.iter().filter(|row| rows::is_selected(&row.row, filter)).collect()
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
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_selectable() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.row.id).collect();
        assert_eq!(names.len(), ROWS.len());
        assert_eq!(select(&[]).len(), ROWS.len());
        assert_eq!(select(&["login".to_owned()]).len(), 2);
    }
}
