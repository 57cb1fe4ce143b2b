//! A load: what is asked, how it arrives, what came back.

pub mod closed_loop;
pub mod open_loop;
pub mod ranges;
pub mod tally;
pub mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::BenchError;
use crate::tls::Offer;
use crate::zipf::Mix;
use crate::{h1, h2};

use closed_loop::ClosedLoop;
use open_loop::{Arrivals, OpenLoop};
pub use tally::{Fault, LoadReport, Tally};
pub use target::{Origin, Target};

/// Everything that defines a run.
#[derive(Clone, Debug)]
pub struct LoadSpec {
    pub origin: Origin,
    pub targets: Vec<Target>,
    pub mix: Mix,
    pub protocol: Protocol,
    pub tls: Offer,
    pub connections: usize,
    pub arrival: Arrival,
    pub warm_up: Duration,
    pub duration: Duration,
    pub requests_max: Option<u64>,
    /// Ask for this many bytes at a random place of each object.
    pub range_bytes: Option<u64>,
    /// Bytes per second that the client reads, over all connections.
    pub read_rate: Option<f64>,
    /// A fresh connection for each request.
    pub close: bool,
    pub headers: Vec<(String, String)>,
    pub status: u16,
    pub seed: u64,
}

/// How requests travel on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with up to `pipeline` requests under way.
    Http1 { pipeline: usize },
    /// HTTP/2 over TLS with `streams` requests under way.
    Http2 { streams: usize },
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Arrival {
    /// Each connection asks again as soon as it has its answer.
    Closed,
    /// Requests arrive at their own time, whether the server keeps up or not.
    Open { per_second: f64, arrivals: Arrivals },
}

/// A moment of a run at which the caller may read clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The warm-up is over; what follows counts.
    Begin,
    /// The last answer that counts is in.
    End,
}

/// Set by ctrl-c: runs stop at once, and servers are ended.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Asks all runs to stop.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// # Errors
    /// `Interrupted`, once raised.
    pub fn check(&self) -> Result<(), BenchError> {
        if self.0.load(Ordering::Relaxed) { Err(BenchError::Interrupted) } else { Ok(()) }
    }
}

/// Runs the load; `on_moment` is called at its begin and end.
///
/// # Errors
/// The origin cannot be reached, or the run was interrupted. Failed requests are no error here:
/// they are counted in the report.
pub fn run(
    spec: &LoadSpec,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<LoadReport, BenchError> {
    match spec.protocol {
        Protocol::Http1 { pipeline } => h1::run(spec, pipeline, interrupt, on_moment),
        Protocol::Http2 { streams } => h2::run(spec, streams, interrupt, on_moment),
    }
}

/// The source of requests.
#[derive(Debug)]
pub enum Schedule {
    Closed(ClosedLoop),
    Open(OpenLoop),
}

/// What the schedule says to a connection that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send; latency counts from `intended`, which may be in the past.
    Now { intended: Instant },
    /// Nothing until then.
    At(Instant),
    /// Nothing any more.
    Finished,
}

impl Schedule {
    /// The schedule of the warm-up (which is bounded by time alone) or of what counts.
    pub fn new(spec: &LoadSpec, start: Instant, warm_up: bool) -> Self {
        let length = if warm_up { spec.warm_up } else { spec.duration };
        let requests_max = if warm_up { None } else { spec.requests_max };
        let end = start + length;
        match spec.arrival {
            Arrival::Closed => Self::Closed(ClosedLoop::new(end, requests_max)),
            Arrival::Open { per_second, arrivals } => {
                let random = fastrand::Rng::with_seed(spec.seed ^ u64::from(warm_up));
                let open = OpenLoop::new(start, end, per_second, arrivals, random);
                Self::Open(open.limited_to(requests_max))
            }
        }
    }

    /// Takes the next request, if one is due at `now`.
    pub fn next(&mut self, now: Instant) -> Next {
        match self {
            Self::Closed(closed) => closed.next(now),
            Self::Open(open) => open.next(now),
        }
    }
}
