//! The rows of `compare http`: what is measured, in which unit, and what it must reach.

use super::super::rows::{Goal, Group, Row, Unit};
use super::super::server::Server;

/// A row, and how its cells are measured.
#[derive(Debug)]
pub struct HttpRow {
    pub row: Row,
    pub kind: Kind,
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

const fn plain(
    id: &'static str,
    title: &'static str,
    file: &'static str,
    goals: &'static [Goal],
) -> HttpRow {
    let kind = Kind::Http1 { file, connections: BUSY_CONNECTIONS, tls: false, rate_gib_s: None };
    HttpRow {
        row: Row { id, title, group: Group::Plain, unit: Unit::MicrosPerRequest, goals },
        kind,
    }
}

const fn large(
    id: &'static str,
    title: &'static str,
    group: Group,
    rate_gib_s: Option<f64>,
    goals: &'static [Goal],
) -> HttpRow {
    let tls = matches!(group, Group::Tls);
    let kind = Kind::Http1 { file: "100m.bin", connections: LARGE_CONNECTIONS, tls, rate_gib_s };
    HttpRow { row: Row { id, title, group, unit: Unit::MillisPerGib, goals }, kind }
}

const fn tls(
    id: &'static str,
    title: &'static str,
    file: &'static str,
    goals: &'static [Goal],
) -> HttpRow {
    let kind = Kind::Http1 { file, connections: BUSY_CONNECTIONS, tls: true, rate_gib_s: None };
    HttpRow { row: Row { id, title, group: Group::Tls, unit: Unit::MicrosPerRequest, goals }, kind }
}

const fn http2(id: &'static str, title: &'static str, file: &'static str) -> HttpRow {
    let goals = &[Goal::Peer(Server::Nginx, 1.1)];
    HttpRow {
        row: Row { id, title, group: Group::Http2, unit: Unit::MicrosPerRequest, goals },
        kind: Kind::Http2 { file, connections: BUSY_CONNECTIONS, streams: 10 },
    }
}

const fn idle(id: &'static str, title: &'static str, tls: bool, goals: &'static [Goal]) -> HttpRow {
    HttpRow {
        row: Row { id, title, group: Group::Connections, unit: Unit::BytesPerConnection, goals },
        kind: Kind::Idle { tls },
    }
}

/// All rows, in the order of the report.
pub static ROWS: &[HttpRow] = &[
    plain("h1-1k", "1 KiB", "1k.bin", &[Goal::BestPeer(0.8)]),
    plain("h1-16k", "16 KiB", "16k.bin", &[Goal::BestPeer(0.85)]),
    plain("h1-100k", "100 KiB", "100k.bin", &[Goal::BestPeer(0.9)]),
    plain("h1-1m", "1 MiB", "1m.bin", &[Goal::BestPeer(0.75)]),
    large("h1-100m", "100 MiB, unpaced", Group::Plain, None, &[]),
    large("paced-0.6", "0.6 GiB/s offered", Group::Paced, Some(0.6), &[Goal::BestPeer(1.0)]),
    large("paced-1.2", "1.2 GiB/s offered", Group::Paced, Some(1.2), &[Goal::BestPeer(1.0)]),
    large("paced-2", "2 GiB/s offered", Group::Paced, Some(2.0), &[Goal::BestPeer(1.0)]),
    large("paced-3", "3 GiB/s offered", Group::Paced, Some(3.0), &[Goal::BestPeer(1.0)]),
    tls("tls-1k", "1 KiB", "1k.bin", &[]),
    tls("tls-16k", "16 KiB", "16k.bin", &[Goal::BestPeer(0.95)]),
    large("tls-100m", "100 MiB", Group::Tls, None, &[Goal::BestPeer(0.95)]),
    HttpRow {
        row: Row {
            id: "handshake",
            title: "full handshake and 1 KiB",
            group: Group::Tls,
            unit: Unit::MicrosPerRequest,
            goals: &[],
        },
        kind: Kind::Handshake { connections: 16 },
    },
    http2("h2-1k", "1 KiB, 10 streams", "1k.bin"),
    http2("h2-16k", "16 KiB, 10 streams", "16k.bin"),
    HttpRow {
        row: Row {
            id: "h2-100m",
            title: "100 MiB",
            group: Group::Http2,
            unit: Unit::MillisPerGib,
            goals: &[Goal::BestPeer(1.1)],
        },
        kind: Kind::Http2 { file: "100m.bin", connections: LARGE_CONNECTIONS, streams: 1 },
    },
    idle("idle-plain", "memory (RSS), plain", false, &[Goal::Value(1024.0)]),
    idle("idle-tls", "memory (RSS), TLS", true, &[Goal::Value(8.0 * 1024.0)]),
    HttpRow {
        row: Row {
            id: "beside-idle",
            title: "64 busy (1 KiB) beside 10,000 idle",
            group: Group::Connections,
            unit: Unit::PercentMore,
            goals: &[Goal::Value(5.0)],
        },
        kind: Kind::Beside { idle: 10_000 },
    },
];

/// Connections of rows up to 1 MiB.
pub const BUSY_CONNECTIONS: usize = 64;
const LARGE_CONNECTIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::super::super::rows::select;
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_selectable() {
        let names: HashSet<_> = ROWS.iter().map(|row| row.row.id).collect();
        assert_eq!(names.len(), ROWS.len());
        let ids = |filter: &[&str]| {
            let filter: Vec<String> = filter.iter().map(|part| (*part).to_owned()).collect();
            select(ROWS, |row| &row.row, &filter).iter().map(|row| row.row.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(&[]).len(), ROWS.len());
        assert_eq!(ids(&["idle-", "h2-1k"]), ["h2-1k", "idle-plain", "idle-tls"]);
        assert!(ids(&["nothing"]).is_empty());
    }
}
