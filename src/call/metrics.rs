//! What the call endpoint counts.

use crate::telemetry::metrics::{Counter, Gauge, Registry};

/// Counters of all media threads; clones are the same.
#[derive(Clone)]
pub struct CallMetrics {
    /// Rooms with somebody in them.
    pub rooms: Gauge,
    /// Participants of all rooms.
    pub participants: Gauge,
    /// Peer connections, those under way among them.
    pub connections: Gauge,
    /// Datagrams received.
    pub packets_in: Counter,
    /// Their bytes.
    pub bytes_in: Counter,
    /// Datagrams sent.
    pub packets_out: Counter,
    /// Their bytes.
    pub bytes_out: Counter,
    /// Datagrams that the system did not take.
    pub dropped: Counter,
    /// Connections that came to be secured.
    pub secured: Counter,
    /// Datagrams refused, by why.
    pub refused: Refused,
    /// Connections that ended, by why.
    pub ended: Ended,
}

/// Datagrams refused.
#[derive(Clone)]
pub struct Refused {
    /// Nobody has proven to be where they came from.
    pub address: Counter,
    /// A check for nobody.
    pub ufrag: Counter,
    /// A check that is broken, or not proven.
    pub stun: Counter,
    /// A handshake that failed.
    pub dtls: Counter,
    /// A packet that is broken, forged or a repeat.
    pub srtp: Counter,
    /// Something else.
    pub other: Counter,
}

/// Connections that ended.
#[derive(Clone)]
pub struct Ended {
    /// Closed by either side.
    pub closed: Counter,
    /// Not heard any more.
    pub consent_lost: Counter,
    /// Never secured.
    pub not_connected: Counter,
}

impl CallMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Self {
        let gauge = |name, help| registry.gauge(name, help, &[]);
        let packets = |direction| {
            let labels = [("direction", direction)];
            registry.counter("whimbrel_call_packets_total", "Datagrams of calls.", &labels)
        };
        let bytes = |direction| {
            let labels = [("direction", direction)];
            registry.counter("whimbrel_call_bytes_total", "Bytes of calls' datagrams.", &labels)
        };
        let refused = |reason| {
            let help = "Datagrams for calls that were refused.";
            registry.counter("whimbrel_call_refused_total", help, &[("reason", reason)])
        };
        let ended = |reason| {
            let help = "Peer connections of calls that ended.";
            registry.counter("whimbrel_call_ended_total", help, &[("reason", reason)])
        };
        Self {
            rooms: gauge("whimbrel_call_rooms", "Calls under way."),
            participants: gauge("whimbrel_call_participants", "Participants of calls."),
            connections: gauge("whimbrel_call_connections", "Peer connections of calls."),
            packets_in: packets("in"),
            bytes_in: bytes("in"),
            packets_out: packets("out"),
            bytes_out: bytes("out"),
            dropped: registry.counter(
                "whimbrel_call_dropped_total",
                "Datagrams of calls that the system did not take.",
                &[],
            ),
            secured: registry.counter(
                "whimbrel_call_secured_total",
                "Peer connections of calls that were secured.",
                &[],
            ),
            refused: Refused {
                address: refused("address"),
                ufrag: refused("ufrag"),
                stun: refused("stun"),
                dtls: refused("dtls"),
                srtp: refused("srtp"),
                other: refused("other"),
            },
            ended: Ended {
                closed: ended("closed"),
                consent_lost: ended("consent_lost"),
                not_connected: ended("not_connected"),
            },
        }
    }
}
