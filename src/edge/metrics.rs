//! What a lane counts. Each has its own set, so that counting is a plain store; a scrape sums
//! them.

use std::time::Duration;

use crate::telemetry::metrics::{Gauge, LaneCounter, LaneHistogram, Registry};

/// One lane's counters.
pub struct LaneMetrics {
    requests: [LaneCounter; 5],
    sent_bytes: LaneCounter,
    took: LaneHistogram,
    /// Connections that the lane holds.
    pub connections: Gauge,
    /// Connections accepted.
    pub accepted: LaneCounter,
    /// Connections handed to the full lane.
    pub handed_over: LaneCounter,
    /// Connections cut because they made no progress in time.
    pub timed_out: LaneCounter,
    /// Panics that ended one connection.
    pub panics: LaneCounter,
    /// Requests held back by the rate limit.
    pub limited: LaneCounter,
}

impl LaneMetrics {
    /// Registers a lane's counters; `lane` is `fast` or `full`.
    pub fn new(registry: &Registry, lane: &'static str) -> Self {
        let label = [("lane", lane)];
        let requests = |class: &'static str| {
            let labels = [("lane", lane), ("status", class)];
            registry.lane_counter("whimbrel_http_requests_total", "Requests answered.", &labels)
        };
        let counter =
            |name: &'static str, help: &'static str| registry.lane_counter(name, help, &label);
        Self {
            requests: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(requests),
            sent_bytes: counter("whimbrel_http_sent_bytes_total", "Bytes of answers sent."),
            took: registry.lane_histogram(
                "whimbrel_http_request_seconds",
                "From a request's complete head to its answer's last byte.",
                &label,
            ),
            connections: registry.gauge("whimbrel_http_connections", "Connections open.", &label),
            accepted: counter("whimbrel_http_accepted_total", "Connections accepted."),
            handed_over: counter(
                "whimbrel_http_handed_over_total",
                "Connections handed to the full lane.",
            ),
            timed_out: counter(
                "whimbrel_http_timed_out_total",
                "Connections cut for lack of progress.",
            ),
            panics: counter("whimbrel_http_panics_total", "Panics that ended one connection."),
            limited: counter(
                "whimbrel_http_limited_total",
                "Requests held back by the rate limit.",
            ),
        }
    }

    /// Counts an answered request.
    pub fn request(&mut self, status: u16, sent_bytes: u64, took: Duration) {
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        self.requests[class].inc();
        self.sent_bytes.add(sent_bytes);
        self.took.observe(took);
    }
}
