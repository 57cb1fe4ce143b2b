//! Progress of work that a person may wait for.

/// Told how far a long piece of work has come; the command line draws its bars from it.
///
/// `()` takes no notice.
pub trait Progress {
    /// A step begins; `total` is its size in `unit`s, where known.
    fn begin(&mut self, step: &'static str, unit: ProgressUnit, total: Option<u64>);
    /// `done` more of the step's units are done.
    fn advance(&mut self, done: u64);
    /// The step has ended.
    fn end(&mut self) {}
    /// Whether the work should stop early. Asked between objects.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// What a step's progress counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressUnit {
    /// Bytes.
    Bytes,
    /// Objects or uploads.
    Items,
}

impl Progress for () {
    fn begin(&mut self, _step: &'static str, _unit: ProgressUnit, _total: Option<u64>) {}
    fn advance(&mut self, _done: u64) {}
}
