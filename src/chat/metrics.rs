//! What the chat server counts.

use crate::telemetry::metrics::{Counter, Gauge, Histogram, Registry};

/// Counters of all threads of the chat server; clones are the same.
#[derive(Clone, Debug)]
pub struct ChatMetrics {
    /// Connections open.
    pub connections: Gauge,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections refused because their address has too many.
    pub refused: Counter,
    /// Elements of clients that have logged in.
    pub stanzas_in: Counter,
    /// Elements sent to clients by the core.
    pub stanzas_out: Counter,
    /// Attempts to log in that failed.
    pub logins_failed: Counter,
    /// Clients cut because they did not read, answer or log in in time.
    pub cut: Counter,
    /// Panics, each of which ended what it was about alone.
    pub panics: Counter,
    /// How often the core's thread failed and began anew.
    pub core_restarts: Counter,
    /// How often a thread of connections failed and began anew.
    pub shard_restarts: Counter,
    /// Pushes that found nobody to send them.
    pub pushes_dropped: Counter,
    /// Reports of spam (XEP-0377).
    pub reports_of_spam: Counter,
    /// Reports of abuse.
    pub reports_of_abuse: Counter,
    /// Reports of anything else.
    pub reports_of_other: Counter,
    /// Inputs that wait for the core.
    pub inputs_waiting: Gauge,
    /// Accounts in memory.
    pub accounts: Gauge,
    /// From a stanza's arrival at the core to its commit.
    pub acknowledged: Histogram,
}

impl ChatMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help, &[]);
        let gauge = |name, help| registry.gauge(name, help, &[]);
        let restarts = |part| {
            let help = "How often a part failed and was started again.";
            registry.counter("whimbrel_part_restarts_total", help, &[("part", part)])
        };
        let stanzas = |direction| {
            let labels = [("direction", direction)];
            registry.counter("whimbrel_xmpp_stanzas_total", "Elements of sessions.", &labels)
        };
        let reports = |reason| {
            let help = "Reports of accounts about others.";
            registry.counter("whimbrel_xmpp_reports_total", help, &[("reason", reason)])
        };
        Self {
            connections: gauge("whimbrel_xmpp_connections", "Connections open."),
            accepted: counter("whimbrel_xmpp_accepted_total", "Connections accepted."),
            refused: counter(
                "whimbrel_xmpp_refused_total",
                "Connections refused because their address has too many.",
            ),
            stanzas_in: stanzas("in"),
            stanzas_out: stanzas("out"),
            logins_failed: counter("whimbrel_xmpp_logins_failed_total", "Logins that failed."),
            cut: counter(
                "whimbrel_xmpp_cut_total",
                "Clients cut because they did not read, answer or log in in time.",
            ),
            panics: counter(
                "whimbrel_xmpp_panics_total",
                "Panics that ended one account or stream.",
            ),
            core_restarts: restarts(CORE),
            shard_restarts: restarts(SHARDS),
            pushes_dropped: counter(
                "whimbrel_xmpp_pushes_dropped_total",
                "Pushes that found nobody to send them.",
            ),
            reports_of_spam: reports("spam"),
            reports_of_abuse: reports("abuse"),
            reports_of_other: reports("other"),
            inputs_waiting: gauge("whimbrel_xmpp_inputs_waiting", "Inputs that wait for the core."),
            accounts: gauge("whimbrel_xmpp_accounts_active", "Accounts in memory."),
            acknowledged: registry.histogram(
                "whimbrel_xmpp_commit_wait_seconds",
                "From a stanza's arrival at the core to its commit on disk.",
                &[],
            ),
        }
    }
}

/// The core's name as a part.
pub const CORE: &str = "chat core";
/// The name of the threads of connections as a part.
pub const SHARDS: &str = "chat connections";
