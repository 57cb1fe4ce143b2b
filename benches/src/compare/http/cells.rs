//! One cell of the comparison: one row at one server, once.

use std::time::Duration;

use crate::cpu::CpuTime;
use crate::error::BenchError;
use crate::idle::{self, IdlePool};
use crate::load::{self, Arrival, LoadReport, LoadSpec, Moment, Origin, Protocol, Target};
use crate::size::GIB;
use crate::tls::{Alpn, Offer};
use crate::zipf::Mix;

use super::super::outcome::Sample;
use super::super::rows::Unit;
use super::super::server::Program;
use super::Setup;
use super::beside;
use super::h2load::{self, H2loadSpec};
use super::peers::WebServer;
use super::rows::{HttpRow, Kind};

/// Measures `row` at a server. What idle connections cost is measured at fresh processes, all else
/// at `server`.
///
/// # Errors
/// Requests failed, the server is gone, or the run was interrupted.
pub fn measure(
    setup: &Setup<'_>,
    row: &HttpRow,
    program: &Program,
    server: &WebServer,
) -> Result<Sample, BenchError> {
    match row.kind {
        Kind::Http1 { file, connections, tls, rate_gib_s } => {
            let spec = LoadSpec {
                read_rate: rate_gib_s.map(|rate| rate * GIB),
                ..http1(setup, server.origin(tls), file, connections)
            };
            measure_load(setup, row.row.unit, &spec, server)
        }
        Kind::Handshake { connections } => {
            let close = http1(setup, server.origin(true), "1k.bin", connections);
            measure_load(setup, row.row.unit, &LoadSpec { close: true, ..close }, server)
        }
        Kind::Http2 { file, connections, streams } => {
            measure_http2(setup, row.row.unit, server, file, connections, streams)
        }
        Kind::Idle { tls } => measure_idle(setup, program, tls),
        Kind::Beside { idle } => beside::measure(setup, program, idle),
    }
}

/// One load, and what it cost the server.
///
/// # Errors
/// Requests failed, the server is gone, or the run was interrupted.
pub fn measure_load(
    setup: &Setup<'_>,
    unit: Unit,
    spec: &LoadSpec,
    server: &WebServer,
) -> Result<Sample, BenchError> {
    let mut readings = Vec::with_capacity(2);
    let report = load::run(spec, setup.interrupt, &mut |_: Moment| {
        readings.push(CpuTime::of_tree(server.running.pid()));
    })?;
    report.check()?;
    let readings = readings.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [before, after] = readings[..] else {
        return Err(BenchError::Silent { seconds: report.elapsed.as_secs_f64() });
    };
    Ok(sample(unit, after.since(before), &report))
}

fn sample(unit: Unit, used: CpuTime, report: &LoadReport) -> Sample {
    let gib = report.body_bytes as f64 / GIB;
    let seconds = report.elapsed.as_secs_f64();
    let (value, per_second) = match unit {
        Unit::MillisPerGib => (used.total_ns as f64 / 1e6 / gib, gib / seconds),
        _ => (used.total_ns as f64 / 1e3 / report.answered as f64, report.rate()),
    };
    Sample { value, user_share: used.user_share(), per_second: Some(per_second) }
}

fn measure_http2(
    setup: &Setup<'_>,
    unit: Unit,
    server: &WebServer,
    file: &str,
    connections: usize,
    streams: usize,
) -> Result<Sample, BenchError> {
    let origin = server.origin(true);
    let Some(h2load) = &setup.h2load else {
        let protocol = Protocol::Http2 { streams };
        let spec = LoadSpec { protocol, ..http1(setup, origin, file, connections) };
        return measure_load(setup, unit, &spec, server);
    };
    let duration = setup.duration;
    // h2load counts the bytes of its whole run, but the answers of its main phase only: bytes are
    // set against the whole run too, in which the handshakes of a few connections do not show.
    let whole = unit == Unit::MillisPerGib;
    let warm_up = if whole { Duration::ZERO } else { setup.warm_up };
    let spec = H2loadSpec { origin: &origin, file, connections, streams, warm_up, duration };
    let mut readings = vec![CpuTime::of_tree(server.running.pid())];
    let report = h2load::run(h2load, spec, setup.interrupt, &mut |_: Moment| {
        readings.push(CpuTime::of_tree(server.running.pid()));
    })?;
    readings.push(CpuTime::of_tree(server.running.pid()));
    let readings = readings.into_iter().collect::<Result<Vec<_>, _>>()?;
    let [start, begin, end, stop] = readings[..] else {
        return Err(BenchError::H2load { detail: "it did not tell its phases".to_owned() });
    };
    let used = if whole { stop.since(start) } else { end.since(begin) };
    let gib = report.body_bytes as f64 / GIB;
    let (value, per_second) = match unit {
        Unit::MillisPerGib => (used.total_ns as f64 / 1e6 / gib, gib / duration.as_secs_f64()),
        _ => (used.total_ns as f64 / 1e3 / report.succeeded as f64, report.per_second),
    };
    Ok(Sample { value, user_share: used.user_share(), per_second: Some(per_second) })
}

/// Bytes of RSS per idle connection, at a process that has served nothing else.
fn measure_idle(setup: &Setup<'_>, program: &Program, tls: bool) -> Result<Sample, BenchError> {
    let fresh = setup.start(program)?;
    let counts = if tls { IDLE_TLS_COUNTS } else { IDLE_PLAIN_COUNTS };
    let most = fresh.idle_max(setup.descriptors);
    let counts: Vec<usize> = counts.iter().map(|count| (*count).min(most)).collect();
    let mut pool = IdlePool::new(fresh.origin(tls), Some("/1k.bin".to_owned()), OFFER)?;
    let value = idle::resident_slope(fresh.running.pid(), &mut pool, &counts, setup.interrupt)?;
    Ok(Sample { value, ..Sample::default() })
}

/// A closed loop over HTTP/1.1.
pub fn http1(setup: &Setup<'_>, origin: Origin, file: &str, connections: usize) -> LoadSpec {
    LoadSpec {
        origin,
        targets: vec![Target { path: format!("/{file}") }],
        mix: Mix::even(1),
        protocol: Protocol::Http1 { pipeline: 1 },
        tls: OFFER,
        connections,
        arrival: Arrival::Closed,
        warm_up: setup.warm_up,
        duration: setup.duration,
        requests_max: None,
        range_bytes: None,
        read_rate: None,
        close: false,
        headers: Vec::new(),
        status: 200,
        seed: 1,
    }
}

/// The same cipher and key exchange for all: peers on OpenSSL 3.0 have no hybrid with ML-KEM.
pub const OFFER: Offer = Offer { aes_128_only: true, x25519_only: true, alpn: Alpn::Http1 };
const IDLE_PLAIN_COUNTS: &[usize] = &[1_000, 5_000, 10_000];
const IDLE_TLS_COUNTS: &[usize] = &[500, 2_000, 4_000];
