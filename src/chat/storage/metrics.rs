//! What the storage measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::telemetry::metrics::{Counter, Gauge, Histogram, Registry};

/// Numbers of the storage; clones are the same.
#[derive(Debug, Clone)]
pub struct StorageMetrics {
    pub(super) commits: Counter,
    pub(super) transactions: Counter,
    pub(super) refused: Counter,
    pub(super) failures: Counter,
    pub(super) commit_time: Histogram,
    pub(super) settle_time: Histogram,
    pub(super) transactions_waiting: Gauge,
    pub(super) queries: Counter,
    pub(super) query_time: Histogram,
    pub(super) queries_waiting: Gauge,
    is_failing: Arc<AtomicBool>,
}

impl StorageMetrics {
    /// Shows the numbers in `registry`.
    pub fn register(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help, &[]);
        let gauge = |name, help| registry.gauge(name, help, &[]);
        let histogram = |name, help| registry.histogram(name, help, &[]);
        let is_failing = Arc::new(AtomicBool::new(false));
        let shown = is_failing.clone();
        registry.gauge_fn(
            "whimbrel_chat_storage_failing",
            "1 while commits of chats fail.",
            &[],
            move || Some(f64::from(u8::from(shown.load(Ordering::Relaxed)))),
        );
        Self {
            commits: counter("whimbrel_chat_commits_total", "Commits of chats, synced to disk."),
            transactions: counter(
                "whimbrel_chat_transactions_total",
                "Transactions in these commits.",
            ),
            refused: counter(
                "whimbrel_chat_transactions_refused_total",
                "Transactions that did not fit what is stored.",
            ),
            failures: counter("whimbrel_chat_commit_failures_total", "Commits that failed."),
            commit_time: histogram(
                "whimbrel_chat_commit_seconds",
                "Time from a commit's first transaction to its end on disk.",
            ),
            settle_time: histogram(
                "whimbrel_chat_settle_seconds",
                "Time that listing new messages in archives takes.",
            ),
            transactions_waiting: gauge(
                "whimbrel_chat_transactions_waiting",
                "Transactions that wait for a commit.",
            ),
            queries: counter("whimbrel_chat_queries_total", "Questions answered."),
            query_time: histogram("whimbrel_chat_query_seconds", "Time that an answer takes."),
            queries_waiting: gauge(
                "whimbrel_chat_queries_waiting",
                "Questions that wait for an answer.",
            ),
            is_failing,
        }
    }

    /// Whether commits fail: the disk is full or broken, and nothing is acknowledged.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    pub(super) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }
}
