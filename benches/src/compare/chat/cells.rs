//! One cell of the comparison: one row at one server, once.

use std::time::Duration;

use crate::chat::storm::{self, LoginKind, StormReport, StormSpec};
use crate::chat::traffic::{self, ChatReport, ChatSpec};
use crate::chat::{Composer, LOGINS_PARALLEL, STANZA_BYTES};
use crate::cpu::CpuTime;
use crate::error::BenchError;
use crate::idle::{self, IdleSessions};
use crate::load::open_loop::Arrivals;
use crate::load::{Interrupt, Moment};
use crate::xmpp::Transport;

use super::super::outcome::Sample;
use super::groups::{self, Found};
use super::peers::{ChatServer, Home};
use super::rows::{ChatRow, Kind, Talk, Until};

/// What all cells of a run share.
pub struct Setup<'a> {
    pub server_core: usize,
    pub duration: Duration,
    pub warm_up: Duration,
    /// Idle sessions, at the most.
    pub sessions: usize,
    /// What was measured on the way to another row's figure.
    pub found: Found,
    pub interrupt: &'a Interrupt,
}

/// Measures `row` at a server. Memory is measured at a fresh process, all else at `server`.
///
/// # Errors
/// Messages were lost, logins failed, the server is gone, or the run was interrupted.
pub fn measure(
    setup: &Setup<'_>,
    row: &ChatRow,
    home: &Home,
    server: &ChatServer,
) -> Result<Sample, BenchError> {
    match row.kind {
        Kind::Cost(talk) => {
            let (used, report) = have_talk(setup, home, server, talk, None)?;
            Ok(Sample {
                value: used.total_ns as f64 / 1e3 / report.delivered.count as f64,
                user_share: used.user_share(),
                per_second: Some(report.delivered.rate()),
            })
        }
        Kind::Throughput(talk) => {
            let (used, report) = have_talk(setup, home, server, talk, None)?;
            let rate = report.delivered.rate();
            Ok(Sample { value: rate, user_share: used.user_share(), per_second: Some(rate) })
        }
        Kind::Latency { talk, per_second, until } => {
            let (used, report) = have_talk(setup, home, server, talk, Some(per_second))?;
            let latency_ns = match until {
                Until::Acknowledged => &report.ack_ns,
                Until::Delivered => &report.delivery_ns,
            };
            Ok(Sample {
                value: latency_ns.value_at_quantile(0.99) as f64 / 1e6,
                user_share: used.user_share(),
                per_second: Some(report.delivered.rate()),
            })
        }
        Kind::Login(kind) => {
            let (used, report) = have_logins(setup, home, server, kind)?;
            Ok(Sample {
                value: used.total_ns as f64 / 1e3 / report.logins as f64,
                user_share: used.user_share(),
                per_second: Some(report.rate()),
            })
        }
        Kind::Idle(transport) => measure_idle(setup, home, transport),
        Kind::Rooms { size, .. } => setup.found.take_or(home.program.server, row.kind, || {
            groups::measure_rooms(setup, home, server, size)
        }),
        Kind::Encrypted(_) => setup.found.take_or(home.program.server, row.kind, || {
            groups::measure_encrypted(setup, home, server)
        }),
    }
}

fn have_talk(
    setup: &Setup<'_>,
    home: &Home,
    server: &ChatServer,
    talk: Talk,
    per_second: Option<f64>,
) -> Result<(CpuTime, ChatReport), BenchError> {
    let spec = ChatSpec {
        endpoint: server.endpoint(Transport::Plain)?,
        accounts: home.accounts[..USERS].to_vec(),
        users: USERS,
        window: talk.window,
        per_second,
        arrivals: Arrivals::Poisson,
        composer: Composer { stanza_bytes: STANZA_BYTES, no_store: !talk.stored },
        stream_management: talk.acknowledged,
        carbons: talk.carbons,
        offline_share: 0.0,
        sasl2: true,
        mechanism: None,
        warm_up: setup.warm_up,
        duration: setup.duration,
        seed: 1,
    };
    let mut readings = Vec::with_capacity(2);
    let report = traffic::run(&spec, setup.interrupt, &mut |_: Moment| {
        readings.push(CpuTime::of_tree(server.pid()));
    })?;
    report.delivered.check()?;
    Ok((used(readings, report.delivered.elapsed)?, report))
}

fn have_logins(
    setup: &Setup<'_>,
    home: &Home,
    server: &ChatServer,
    kind: LoginKind,
) -> Result<(CpuTime, StormReport), BenchError> {
    let spec = StormSpec {
        endpoint: server.endpoint(Transport::Plain)?,
        accounts: home.accounts[..USERS].to_vec(),
        kind,
        parallel: LOGINS_PARALLEL,
        sasl2: true,
        mechanism: None,
        warm_up: setup.warm_up,
        duration: setup.duration,
    };
    let mut readings = Vec::with_capacity(2);
    let report = storm::run(&spec, setup.interrupt, &mut |_: Moment| {
        readings.push(CpuTime::of_tree(server.pid()));
    })?;
    report.check()?;
    Ok((used(readings, report.elapsed)?, report))
}

/// What the server used between two readings.
///
/// # Errors
/// One of them failed, or is not there.
pub fn used(
    readings: Vec<Result<CpuTime, BenchError>>,
    elapsed: Duration,
) -> Result<CpuTime, BenchError> {
    let readings = readings.into_iter().collect::<Result<Vec<_>, _>>()?;
    match readings[..] {
        [before, after] => Ok(after.since(before)),
        _ => Err(BenchError::Silent { seconds: elapsed.as_secs_f64() }),
    }
}

/// Bytes of RSS per session, at a process that has served nothing else.
fn measure_idle(
    setup: &Setup<'_>,
    home: &Home,
    transport: Transport,
) -> Result<Sample, BenchError> {
    let fresh = home.start(setup.server_core, setup.interrupt)?;
    let most = setup.sessions;
    let counts = [most / 3, most * 2 / 3, most];
    let mut sessions = IdleSessions::new(fresh.endpoint(transport)?, home.accounts.clone())?;
    let value = idle::resident_slope(fresh.pid(), &mut sessions, &counts, setup.interrupt)?;
    Ok(Sample { value, ..Sample::default() })
}

/// Users who talk, in pairs.
pub const USERS: usize = 200;
