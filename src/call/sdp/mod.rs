//! RFC 8866 SDP: Session Description Protocol, as RFC 8829 (JSEP) has browsers write it: offers are
//! read, and answered with what the forwarding core can do.

mod answer;
mod line;
mod negotiate;
mod offer;

pub use answer::{Answered, Transport, write};
pub use negotiate::{Published, Subscribed, publish, subscribe};
pub use offer::{Fingerprint, Offer, Setup};

/// The largest offer, in bytes: 28 m-lines of a browser take some 90 KiB.
pub const OFFER_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a line.
pub const LINE_BYTES_MAX: usize = 4096;
/// m-lines of an offer; those that are refused count.
pub const MEDIA_MAX: usize = 64;
/// Attributes of an m-line that are kept, of each kind.
pub const ATTRIBUTES_MAX: usize = 128;

/// What is wrong with an offer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// More than is read.
    #[error("{count} {what}, at most {most} are read")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// What there is.
        count: usize,
        /// What is allowed.
        most: usize,
    },
    /// A line that is not `x=…`, or whose value does not mean anything.
    #[error("line {number}: {what}")]
    Line {
        /// Counted from one.
        number: usize,
        /// What was expected.
        what: &'static str,
    },
    /// Something that each offer has.
    #[error("no {0}")]
    Missing(&'static str),
    /// Only bundled media with RTCP on the same port are carried (RFC 9143, RFC 5761).
    #[error("m-line {place} is not in the BUNDLE group")]
    NotBundled {
        /// Its place, counted from zero.
        place: usize,
    },
    /// The peer's address cannot be found by two sides that only answer.
    #[error("the peer is ICE-lite too")]
    BothLite,
    /// It describes a connection that is there, with other m-lines than before.
    #[error("{count} m-lines where {before} were negotiated; only ICE is restarted")]
    Changed {
        /// How many there are.
        count: usize,
        /// How many there were.
        before: usize,
    },
    /// Nothing in it is of use.
    #[error("no m-line with {0}")]
    Nothing(&'static str),
}

#[cfg(test)]
mod tests;
