//! Time as the caller tells it.

/// The moment at which an input is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since the process started: never goes back.
    pub elapsed_ms: u64,
    /// Milliseconds since 1970-01-01 UTC: may jump.
    pub unix_ms: u64,
}
