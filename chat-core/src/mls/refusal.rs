//! Why something of MLS is refused: a name for each reason.

use super::NS;
use crate::stanza::{Condition, ErrorType, StanzaError};
use crate::xml::Element;

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read, or is of another kind than it should be.
    #[error("this is no {expected}")]
    Malformed {
        /// What it should be.
        expected: &'static str,
    },
    /// It is larger than its kind may be.
    #[error("{bytes} bytes are more than {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// It is for another group.
    #[error("it is for another group")]
    OtherGroup,
    /// It is of an epoch that is over, or not yet begun.
    #[error("it is of epoch {epoch}, and the group is in {current}")]
    OtherEpoch {
        /// Its epoch.
        epoch: u64,
        /// The group's.
        current: u64,
    },
    /// A leaf is not the device's that sends it, or not of a member, or names nobody.
    #[error("a leaf is not of who it should be")]
    ForeignLeaf,
    /// A device would have two leaves.
    #[error("{device} would have two leaves")]
    TwoLeaves {
        /// Which.
        device: Box<str>,
    },
    /// A proposal is named, not contained.
    #[error("a proposal is named by reference")]
    ProposalByReference,
    /// A proposal is of a kind that conversations do not use.
    #[error("a proposal is of a kind that is not used here")]
    ProposalNotAllowed,
    /// A signature is wrong.
    #[error("a signature is wrong")]
    WrongSignature,
    /// The commit does not fit the group.
    #[error("the commit is not valid: {reason}")]
    InvalidCommit {
        /// For the log.
        reason: String,
    },
    /// The group info is not that of the commit's new epoch.
    #[error("the group info does not fit: {reason}")]
    GroupInfoMismatch {
        /// For the log.
        reason: &'static str,
    },
    /// The Welcome is not for exactly those that the commit adds.
    #[error("the Welcome does not fit those who come")]
    WelcomeMismatch,
    /// The group would be too large.
    #[error("the group would have more than {leaves_max} leaves or {accounts_max} accounts")]
    GroupFull {
        /// Leaves at most.
        leaves_max: usize,
        /// Accounts at most.
        accounts_max: usize,
    },
    /// A key package is not valid.
    #[error("the key package is not valid: {reason}")]
    InvalidKeyPackage {
        /// For the log.
        reason: String,
    },
    /// A key package was not given out for this commit: it was never claimed by its sender, or is
    /// used up.
    #[error("a key package was not given out to the sender")]
    KeyPackageNotClaimed,
    /// A device list's counter does not rise.
    #[error("the counter {counter} does not exceed {current}")]
    CounterNotRising {
        /// The list's.
        counter: u64,
        /// The stored one's.
        current: u64,
    },
}

impl Refusal {
    /// The name that clients see.
    pub fn name(&self) -> &'static str {
        match self {
            Refusal::Malformed { .. } => "malformed",
            Refusal::TooLarge { .. } => "too-large",
            Refusal::OtherGroup => "other-group",
            Refusal::OtherEpoch { .. } => "other-epoch",
            Refusal::ForeignLeaf => "foreign-leaf",
            Refusal::TwoLeaves { .. } => "two-leaves",
            Refusal::ProposalByReference => "proposal-by-reference",
            Refusal::ProposalNotAllowed => "proposal-not-allowed",
            Refusal::WrongSignature => "wrong-signature",
            Refusal::InvalidCommit { .. } => "invalid-commit",
            Refusal::GroupInfoMismatch { .. } => "group-info-mismatch",
            Refusal::WelcomeMismatch => "welcome-mismatch",
            Refusal::GroupFull { .. } => "group-full",
            Refusal::InvalidKeyPackage { .. } => "invalid-key-package",
            Refusal::KeyPackageNotClaimed => "key-package-not-claimed",
            Refusal::CounterNotRising { .. } => "counter-not-rising",
        }
    }

    /// The application-specific condition of its stanza error (RFC 6120 8.3.4).
    pub fn to_element(&self) -> Element {
        let element = Element::new(self.name(), NS);
        match self {
            Refusal::OtherEpoch { current, .. } => element.with_attr("epoch", current.to_string()),
            Refusal::CounterNotRising { current, .. } => {
                element.with_attr("counter", current.to_string())
            }
            Refusal::TooLarge { bytes_max, .. } => {
                element.with_attr("bytes-max", bytes_max.to_string())
            }
            _ => element,
        }
    }
}

impl From<Refusal> for StanzaError {
    fn from(refusal: Refusal) -> StanzaError {
        let (condition, kind) = match &refusal {
            Refusal::Malformed { .. } => (Condition::BadRequest, ErrorType::Modify),
            Refusal::OtherEpoch { .. } | Refusal::CounterNotRising { .. } => {
                (Condition::Conflict, ErrorType::Cancel)
            }
            Refusal::ForeignLeaf | Refusal::WrongSignature => {
                (Condition::Forbidden, ErrorType::Auth)
            }
            Refusal::GroupFull { .. } => (Condition::ResourceConstraint, ErrorType::Cancel),
            _ => (Condition::NotAcceptable, ErrorType::Modify),
        };
        StanzaError::new(condition).with_type(kind).with_app(refusal.to_element())
    }
}
