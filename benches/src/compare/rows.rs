//! What a row of a comparison is: its unit, and what Whimbrel must reach.

use super::server::Server;

/// One line of a comparison.
#[derive(Debug)]
pub struct Row {
    /// The name that `--rows` takes.
    pub id: &'static str,
    pub title: &'static str,
    pub group: Group,
    pub unit: Unit,
    /// All must be reached.
    pub goals: &'static [Goal],
}

/// Rows that are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Plain,
    Paced,
    Tls,
    Http2,
    Connections,
    Messages,
    Logins,
    Sessions,
    Rooms,
    Encrypted,
}

/// What a row's numbers count; less is better in all but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    MicrosPerRequest,
    MillisPerGib,
    BytesPerConnection,
    PercentMore,
    MicrosPerMessage,
    /// More is better.
    MessagesPerSecond,
    Millis,
    MicrosPerLogin,
    MicrosPerCopy,
    MessagesPerMember,
}

/// What Whimbrel must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// At most so many times the best peer.
    BestPeer(f64),
    /// At most so many times one peer.
    Peer(Server, f64),
    /// At most this, in the row's unit.
    Value(f64),
    /// At least this, in the row's unit.
    AtLeast(f64),
}

impl Group {
    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "Files, plaintext HTTP/1.1",
            Self::Paced => "100 MiB to readers of a set pace, plaintext",
            Self::Tls => "TLS 1.3, AES-128-GCM, HTTP/1.1",
            Self::Http2 => "HTTP/2 over TLS",
            Self::Connections => "Idle connections",
            Self::Messages => "Messages, 200 users in pairs, plain TCP",
            Self::Logins => "Logins, plain TCP",
            Self::Sessions => "Idle sessions, logged in",
            Self::Rooms => "Messages to rooms, plain TCP",
            Self::Encrypted => "An encrypted group of 501 devices",
        }
    }

    /// Whether a server is measured in it: no peer knows encrypted groups.
    pub fn is_for(self, server: Server) -> bool {
        self != Self::Encrypted || server == Server::Whimbrel
    }
}

impl Unit {
    /// Its sign.
    pub fn sign(self) -> &'static str {
        match self {
            Self::MicrosPerRequest => "µs/request",
            Self::MillisPerGib => "ms/GiB",
            Self::BytesPerConnection => "B/connection",
            Self::PercentMore => "% more",
            Self::MicrosPerMessage => "µs/message",
            Self::MessagesPerSecond => "messages/s",
            Self::Millis => "ms",
            Self::MicrosPerLogin => "µs/login",
            Self::MicrosPerCopy => "µs/copy",
            Self::MessagesPerMember => "messages",
        }
    }

    /// Which of two values is the better one comes first in this order.
    pub fn order(self, one: f64, other: f64) -> std::cmp::Ordering {
        match self {
            Self::MessagesPerSecond => other.total_cmp(&one),
            _ => one.total_cmp(&other),
        }
    }
}

/// The rows that `--rows` (names, or parts of names) selects; all if it is empty. A whole name selects
/// no other row that it is a part of.
pub fn select<R>(rows: &'static [R], head: fn(&R) -> &Row, filter: &[String]) -> Vec<&'static R> {
    let is_name = |part: &String| rows.iter().any(|row| head(row).id == part);
    let is_selected = |row: &&R| {
        let id = head(row).id;
        filter.iter().any(|part| if is_name(part) { id == part } else { id.contains(part) })
    };
    rows.iter().filter(|row| filter.is_empty() || is_selected(row)).collect()
}
