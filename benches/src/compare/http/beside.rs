//! What idle connections add to the cost of busy ones.
//!
//! One server's cost wanders by more than the few percent that are asked about, so two processes
//! of it take turns, slice by slice: one holds the idle connections, its twin does not. Then the
//! two change places, which cancels what sets the processes themselves apart.

use std::time::Duration;

use crate::error::BenchError;
use crate::idle::{IdleConnections, IdlePool};
use crate::load::LoadSpec;
use crate::stats;

use super::super::outcome::Sample;
use super::super::rows::Unit;
use super::super::server::Program;
use super::Setup;
use super::cells::{OFFER, http1, measure_load};
use super::peers::WebServer;
use super::rows::BUSY_CONNECTIONS;

/// How much more a busy request costs with `idle` connections beside it, in percent.
///
/// # Errors
/// Requests failed, the server does not take that many connections, or the run was interrupted.
pub fn measure(setup: &Setup<'_>, program: &Program, idle: usize) -> Result<Sample, BenchError> {
    let twins = [setup.start(program)?, setup.start(program)?];
    let first = ratio(setup, &twins[0], &twins[1], idle)?;
    std::thread::sleep(CLOSE_SETTLE);
    let second = ratio(setup, &twins[1], &twins[0], idle)?;
    Ok(Sample { value: ((first * second).sqrt() - 1.0) * 100.0, ..Sample::default() })
}

/// The cost of a request at `crowded`, beside idle connections, by the cost at `alone`.
fn ratio(
    setup: &Setup<'_>,
    crowded: &WebServer,
    alone: &WebServer,
    idle: usize,
) -> Result<f64, BenchError> {
    let mut pool = IdlePool::new(crowded.origin(false), Some("/1k.bin".to_owned()), OFFER)?;
    pool.grow_to(idle.min(crowded.idle_max(setup.descriptors)), setup.interrupt)?;
    std::thread::sleep(CLOSE_SETTLE);
    let mut ratios = Vec::with_capacity(PAIRS);
    for pair in 0..PAIRS {
        // Who goes first changes, so that what drifts evenly cancels out.
        let (beside, without) = if pair % 2 == 0 {
            let beside = cost(setup, crowded)?;
            (beside, cost(setup, alone)?)
        } else {
            let without = cost(setup, alone)?;
            (cost(setup, crowded)?, without)
        };
        ratios.push(beside / without);
    }
    let detail = "no slice was measured".to_owned();
    stats::median(&ratios).ok_or(BenchError::Option { option: "seconds", detail })
}

/// Microseconds per request in one slice.
fn cost(setup: &Setup<'_>, server: &WebServer) -> Result<f64, BenchError> {
    let whole = http1(setup, server.origin(false), "1k.bin", BUSY_CONNECTIONS);
    let slice = LoadSpec { duration: setup.duration / SLICES, warm_up: WARM_UP, ..whole };
    Ok(measure_load(setup, Unit::MicrosPerRequest, &slice, server)?.value)
}

/// Pairs of slices before the processes change places.
const PAIRS: usize = 12;
/// A slice is this part of the measuring time of other cells.
const SLICES: u32 = 12;
const WARM_UP: Duration = Duration::from_millis(50);
const CLOSE_SETTLE: Duration = Duration::from_millis(500);
