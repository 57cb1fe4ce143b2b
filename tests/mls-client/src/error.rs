//! What can go wrong in a client.

use std::fmt;

/// Why a client did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has no such group.
    #[error("the device is in no group {group}")]
    NoGroup {
        /// Its id, or as much of it as is text.
        group: String,
    },
    /// The group has no such leaf.
    #[error("the group has no leaf of {identity}")]
    NoLeaf {
        /// Whose.
        identity: String,
    },
    /// What came is no message of the kind that was expected.
    #[error("this is no {expected} of MLS")]
    Unexpected {
        /// What was expected.
        expected: &'static str,
    },
    /// openmls refused.
    #[error("{action}: {reason}")]
    Refused {
        /// What was tried.
        action: &'static str,
        /// openmls' reason.
        reason: String,
    },
    /// The state's file cannot be read or written.
    #[error("the state's file: {0}")]
    File(#[from] std::io::Error),
    /// The state's file is none.
    #[error("the state's file: {0}")]
    State(#[from] serde_json::Error),
}

impl Error {
    /// For `map_err`: openmls has a type of error for each operation.
    pub(crate) fn refused<E: fmt::Debug>(action: &'static str) -> impl FnOnce(E) -> Error {
        move |reason| Error::Refused { action, reason: format!("{reason:?}") }
    }
}
