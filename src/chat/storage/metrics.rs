//! What the storage measures.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::telemetry::metrics::{Counter, Gauge, Histogram, Registry};

/// A commit that takes longer means that the disk does not answer.
const COMMIT_TIME_MAX: Duration = Duration::from_secs(10);

/// Numbers of the storage; clones are the same.
#[derive(Debug, Clone)]
pub struct StorageMetrics {
    pub(super) commits: Counter,
    pub(super) transactions: Counter,
    pub(super) refused: Counter,
    pub(super) failures: Counter,
    pub(super) commit_time: Histogram,
    pub(super) listing_time: Histogram,
    pub(super) transactions_waiting: Gauge,
    pub(super) queries: Counter,
    pub(super) query_time: Histogram,
    pub(super) queries_waiting: Gauge,
    condition: Arc<Mutex<Condition>>,
}

#[derive(Debug, Default)]
struct Condition {
    /// Why commits fail.
    failing: Option<String>,
    commit_begun: Option<Instant>,
}

impl StorageMetrics {
    /// Shows the numbers in `registry`.
    pub fn register(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name, help, &[]);
        let gauge = |name, help| registry.gauge(name, help, &[]);
        let histogram = |name, help| registry.histogram(name, help, &[]);
        let condition = Arc::new(Mutex::new(Condition::default()));
        let shown = condition.clone();
        registry.gauge_fn(
            "whimbrel_chat_storage_failing",
            "1 while commits of chats fail.",
            &[],
            move || Some(f64::from(u8::from(lock(&shown).failing.is_some()))),
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
            listing_time: histogram(
                "whimbrel_chat_listing_seconds",
                "Time that a step of listing new messages in archives takes.",
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
            condition,
        }
    }

    /// Whether commits fail: the disk is full or broken, and nothing is acknowledged.
    pub fn is_failing(&self) -> bool {
        lock(&self.condition).failing.is_some()
    }

    /// Why nothing can be stored now, if that is so.
    pub fn complaint(&self) -> Option<String> {
        let condition = lock(&self.condition);
        if let Some(reason) = &condition.failing {
            return Some(format!("nothing is acknowledged, for commits fail: {reason}"));
        }
        let taken = condition.commit_begun?.elapsed();
        (taken > COMMIT_TIME_MAX).then(|| format!("a commit has taken {} s", taken.as_secs()))
    }

    pub(super) fn set_failing(&self, failing: Option<String>) {
        lock(&self.condition).failing = failing;
    }

    pub(super) fn begin_commit(&self, begun: Instant) {
        lock(&self.condition).commit_begun = Some(begun);
    }

    pub(super) fn end_commit(&self, begun: Instant) {
        lock(&self.condition).commit_begun = None;
        self.commit_time.observe(begun.elapsed());
    }
}

fn lock(condition: &Mutex<Condition>) -> MutexGuard<'_, Condition> {
    // A panic while it was held leaves a readable state.
    condition.lock().unwrap_or_else(PoisonError::into_inner)
}
