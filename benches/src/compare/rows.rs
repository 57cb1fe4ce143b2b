//! The rows of `compare http`: what is measured, in which unit, and what it must reach.

use super::peers::Server;

/// One line of the comparison.
#[derive(Debug)]
pub struct Row {
    /// The name that `--rows` takes.
    pub id: &'static str,
    pub title: &'static str,
    pub group: Group,
    pub unit: Unit,
    pub kind: Kind,
    pub goal: Goal,
}

/// Rows that are shown together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Plain,
    Paced,
    Tls,
    Http2,
    Connections,
}

/// What a row's numbers count; less is better in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    MicrosPerRequest,
    MillisPerGib,
    BytesPerConnection,
    PercentMore,
}

/// How a cell is measured.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// HTTP/1.1, closed loop.
    Http1 { file: &'static str, connections: usize, tls: bool, rate_gib_s: Option<f64> },
    /// A fresh TLS connection for each request of 1 KiB.
    Handshake { connections: usize },
    /// HTTP/2 over TLS.
    Http2 { file: &'static str, connections: usize, streams: usize },
    /// Memory of idle connections, after one request on each.
    Idle { tls: bool },
    /// Busy connections with and without idle ones beside them.
    Beside { idle: usize },
}

/// What Whimbrel must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Measured for its own sake.
    None,
    /// At most so many times the best peer.
    BestPeer(f64),
    /// At most so many times one peer.
    Peer(Server, f64),
    /// At most this, in the row's unit.
    Value(f64),
}

impl Group {
    /// All, in the order of the report.
    pub const ALL: [Self; 5] =
        [Self::Plain, Self::Paced, Self::Tls, Self::Http2, Self::Connections];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Plain => "Files, plaintext HTTP/1.1",
            Self::Paced => "100 MiB to readers of a set pace, plaintext",
            Self::Tls => "TLS 1.3, AES-128-GCM, HTTP/1.1",
            Self::Http2 => "HTTP/2 over TLS",
            Self::Connections => "Idle connections",
        }
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
        }
    }
}

/// The rows that `filter` (names or parts of names, by comma) selects; all if it is empty.
pub fn select(filter: &[String]) -> Vec<&'static Row> {
    let wanted = |row: &&Row| filter.is_empty() || filter.iter().any(|part| row.id.contains(part));
    ROWS.iter().filter(wanted).collect()
}

/// The median of the paced rows' ratios must be this or less.
pub const PACED_MEDIAN_RATIO_MAX: f64 = 0.9;

const fn plain(id: &'static str, title: &'static str, file: &'static str, goal: Goal) -> Row {
    let kind = Kind::Http1 { file, connections: BUSY_CONNECTIONS, tls: false, rate_gib_s: None };
    Row { id, title, group: Group::Plain, unit: Unit::MicrosPerRequest, kind, goal }
}

const fn large(
    id: &'static str,
    title: &'static str,
    group: Group,
    rate_gib_s: Option<f64>,
    goal: Goal,
) -> Row {
    let tls = matches!(group, Group::Tls);
    let kind = Kind::Http1 { file: "100m.bin", connections: LARGE_CONNECTIONS, tls, rate_gib_s };
    Row { id, title, group, unit: Unit::MillisPerGib, kind, goal }
}

const fn tls(id: &'static str, title: &'static str, file: &'static str, goal: Goal) -> Row {
    let kind = Kind::Http1 { file, connections: BUSY_CONNECTIONS, tls: true, rate_gib_s: None };
    Row { id, title, group: Group::Tls, unit: Unit::MicrosPerRequest, kind, goal }
}

const fn http2(id: &'static str, title: &'static str, file: &'static str) -> Row {
    Row {
        id,
        title,
        group: Group::Http2,
        unit: Unit::MicrosPerRequest,
        kind: Kind::Http2 { file, connections: BUSY_CONNECTIONS, streams: 10 },
        goal: Goal::Peer(Server::Nginx, 1.1),
    }
}

const fn idle(id: &'static str, title: &'static str, tls: bool, bytes_max: f64) -> Row {
    Row {
        id,
        title,
        group: Group::Connections,
        unit: Unit::BytesPerConnection,
        kind: Kind::Idle { tls },
        goal: Goal::Value(bytes_max),
    }
}

/// All rows, in the order of the report.
pub static ROWS: &[Row] = &[
    plain("h1-1k", "1 KiB", "1k.bin", Goal::BestPeer(0.8)),
    plain("h1-16k", "16 KiB", "16k.bin", Goal::BestPeer(0.85)),
    plain("h1-100k", "100 KiB", "100k.bin", Goal::BestPeer(0.9)),
    plain("h1-1m", "1 MiB", "1m.bin", Goal::BestPeer(0.75)),
    large("h1-100m", "100 MiB, unpaced", Group::Plain, None, Goal::None),
    large("paced-0.6", "0.6 GiB/s offered", Group::Paced, Some(0.6), Goal::BestPeer(1.0)),
    large("paced-1.2", "1.2 GiB/s offered", Group::Paced, Some(1.2), Goal::BestPeer(1.0)),
    large("paced-2", "2 GiB/s offered", Group::Paced, Some(2.0), Goal::BestPeer(1.0)),
    large("paced-3", "3 GiB/s offered", Group::Paced, Some(3.0), Goal::BestPeer(1.0)),
    tls("tls-1k", "1 KiB", "1k.bin", Goal::None),
    tls("tls-16k", "16 KiB", "16k.bin", Goal::BestPeer(0.95)),
    large("tls-100m", "100 MiB", Group::Tls, None, Goal::BestPeer(0.95)),
    Row {
        id: "handshake",
        title: "full handshake and 1 KiB",
        group: Group::Tls,
        unit: Unit::MicrosPerRequest,
        kind: Kind::Handshake { connections: 16 },
        goal: Goal::None,
    },
    http2("h2-1k", "1 KiB, 10 streams", "1k.bin"),
    http2("h2-16k", "16 KiB, 10 streams", "16k.bin"),
    Row {
        id: "h2-100m",
        title: "100 MiB",
        group: Group::Http2,
        unit: Unit::MillisPerGib,
        kind: Kind::Http2 { file: "100m.bin", connections: LARGE_CONNECTIONS, streams: 1 },
        goal: Goal::BestPeer(1.1),
    },
    idle("idle-plain", "memory (RSS), plain", false, 1024.0),
    idle("idle-tls", "memory (RSS), TLS", true, 8.0 * 1024.0),
    Row {
        id: "beside-idle",
        title: "64 busy (1 KiB) beside 10,000 idle",
        group: Group::Connections,
        unit: Unit::PercentMore,
        kind: Kind::Beside { idle: 10_000 },
        goal: Goal::Value(5.0),
    },
];

/// Connections of rows up to 1 MiB.
pub const BUSY_CONNECTIONS: usize = 64;
const LARGE_CONNECTIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_selectable() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.id).collect();
        assert_eq!(names.len(), ROWS.len());
        let ids = |filter: &[&str]| {
            let filter: Vec<String> = filter.iter().map(|part| (*part).to_owned()).collect();
            select(&filter).iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]).len(), ROWS.len());
        assert_eq!(ids(&["idle-", "h2-1k"]), ["h2-1k", "idle-plain", "idle-tls"]);
        assert!(ids(&["nothing"]).is_empty());
    }
}
