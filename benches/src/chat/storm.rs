//! Logins, one after another, a few at a time: by password, or by FAST token.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::error::BenchError;
use crate::latency;
use crate::load::{Interrupt, Moment};
use crate::xmpp::{Account, Endpoint, Event, FastUse, Mechanism, Pool, Wishes};

/// How the storm's clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LoginKind {
    /// By password, in the strongest way that is offered
    Scram,
    /// By a token of an earlier login (XEP-0484)
    Fast,
}

/// Everything that defines a storm.
#[derive(Clone, Debug)]
pub struct StormSpec {
    pub endpoint: Endpoint,
    pub accounts: Vec<Account>,
    pub kind: LoginKind,
    /// Logins under way.
    pub parallel: usize,
    pub sasl2: bool,
    pub mechanism: Option<Mechanism>,
    pub warm_up: Duration,
    pub duration: Duration,
}

/// The result of a storm. A login is: connect, authenticate, bind a resource; each is ended again.
#[derive(Debug)]
pub struct StormReport {
    pub elapsed: Duration,
    pub logins: u64,
    /// From the start of the connect to the bound session.
    pub login_ns: Histogram<u64>,
    pub failed: u64,
    pub first_failure: Option<String>,
}

impl StormReport {
    /// Logins per second.
    pub fn rate(&self) -> f64 {
        self.logins as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Refuses a storm in which a login failed, or none was done.
    ///
    /// # Errors
    /// `Logins`.
    pub fn check(&self) -> Result<(), BenchError> {
        if self.failed > 0 || self.logins == 0 {
            return Err(BenchError::Logins {
                done: self.logins as usize,
                wanted: (self.logins + self.failed) as usize,
                detail: self.first_failure.clone().unwrap_or_default(),
            });
        }
        Ok(())
    }
}

/// Runs the storm. Each account logs in once before: then the client knows the keys of its password
/// (which it would otherwise derive while it is measured) and has its token.
///
/// # Errors
/// A login before the storm fails, or the run was interrupted.
pub fn run(
    spec: &StormSpec,
    interrupt: &Interrupt,
    on_moment: &mut dyn FnMut(Moment),
) -> Result<StormReport, BenchError> {
    let fast = match spec.kind {
        LoginKind::Scram => [FastUse::None; 2],
        LoginKind::Fast => [FastUse::RequestToken, FastUse::UseToken],
    };
    let [first, then] = fast.map(|fast| {
        Rc::new(Wishes {
            sasl2: spec.sasl2,
            mechanism: spec.mechanism,
            fast,
            resource: Some("storm".to_owned()),
            ..Wishes::default()
        })
    });
    let mut storm = Storm::new(spec, interrupt)?;
    storm.know_accounts(&first)?;
    storm.blow(&then, Instant::now() + spec.warm_up)?;
    storm.report = new_report();
    let begin = Instant::now();
    on_moment(Moment::Begin);
    storm.blow(&then, begin + spec.duration)?;
    let end = Instant::now();
    on_moment(Moment::End);
    Ok(StormReport { elapsed: end - begin, ..storm.report })
}

struct Storm<'a> {
    spec: &'a StormSpec,
    interrupt: &'a Interrupt,
    pool: Pool,
    /// Accounts that are not logged in.
    resting: VecDeque<usize>,
    /// What each slot does.
    places: Vec<Place>,
    report: StormReport,
}

#[derive(Clone, Copy)]
struct Place {
    account: usize,
    opened: Instant,
    is_busy: bool,
}

enum News {
    LoggedIn,
    Closed,
    Lost(String),
}

impl<'a> Storm<'a> {
    fn new(spec: &'a StormSpec, interrupt: &'a Interrupt) -> Result<Self, BenchError> {
        let mut pool = Pool::new(spec.endpoint.clone(), spec.accounts.clone())?;
        let parallel = spec.parallel.clamp(1, spec.accounts.len().max(1));
        let place = Place { account: 0, opened: Instant::now(), is_busy: false };
        for _ in 0..parallel {
            pool.add_slot();
        }
        Ok(Self {
            spec,
            interrupt,
            pool,
            resting: (0..spec.accounts.len()).collect(),
            places: vec![place; parallel],
            report: new_report(),
        })
    }

    fn know_accounts(&mut self, wishes: &Rc<Wishes>) -> Result<(), BenchError> {
        let wanted = self.spec.accounts.len() as u64;
        let mut deadline = Instant::now() + PROGRESS_MAX;
        let mut left = wanted;
        while self.report.logins < wanted {
            let before = self.report.logins;
            for slot in 0..self.places.len() {
                if !self.places[slot].is_busy && left > 0 {
                    left -= 1;
                    self.open(slot, wishes)?;
                }
            }
            self.turn(deadline)?;
            if self.report.logins > before {
                deadline = Instant::now() + PROGRESS_MAX;
            }
            if self.report.failed > 0 || Instant::now() >= deadline {
                self.report.failed = self.report.failed.max(1);
                return self.report.check();
            }
        }
        Ok(())
    }

    /// Logs in over and over until `end`.
    fn blow(&mut self, wishes: &Rc<Wishes>, end: Instant) -> Result<(), BenchError> {
        while Instant::now() < end && self.report.failed < FAILURES_MAX {
            for slot in 0..self.places.len() {
                if !self.places[slot].is_busy {
                    self.open(slot, wishes)?;
                }
            }
            self.turn(end)?;
        }
        Ok(())
    }

    fn open(&mut self, slot: usize, wishes: &Rc<Wishes>) -> Result<(), BenchError> {
        let Some(account) = self.resting.pop_front() else { return Ok(()) };
        self.places[slot] = Place { account, opened: Instant::now(), is_busy: true };
        self.pool.open(slot, account, wishes)
    }

    fn turn(&mut self, until: Instant) -> Result<(), BenchError> {
        self.interrupt.check()?;
        let wait = until.saturating_duration_since(Instant::now()).min(WAIT_MAX);
        let mut news = Vec::new();
        self.pool.turn(wait, &mut |slot, event| match event {
            Event::Ready => news.push((slot, News::LoggedIn)),
            Event::Closed => news.push((slot, News::Closed)),
            Event::Lost(error) => news.push((slot, News::Lost(error.to_string()))),
            Event::Message(_) | Event::Other(_) | Event::Acked(_) => {}
        })?;
        for (slot, what) in news {
            self.take(slot, what);
        }
        Ok(())
    }

    fn take(&mut self, slot: usize, what: News) {
        match what {
            News::LoggedIn => {
                self.report.logins += 1;
                latency::record(&mut self.report.login_ns, self.places[slot].opened.elapsed());
                if let Some(client) = self.pool.client(slot) {
                    client.close();
                }
                return self.pool.flush(slot);
            }
            News::Closed => self.pool.close(slot),
            News::Lost(error) => {
                self.report.failed += 1;
                self.report.first_failure.get_or_insert(error);
            }
        }
        if std::mem::take(&mut self.places[slot].is_busy) {
            self.resting.push_back(self.places[slot].account);
        }
    }
}

fn new_report() -> StormReport {
    StormReport {
        elapsed: Duration::ZERO,
        logins: 0,
        login_ns: latency::histogram(),
        failed: 0,
        first_failure: None,
    }
}

/// More of them say no more.
const FAILURES_MAX: u64 = 100;
/// A server that logs nobody in for so long has hung.
const PROGRESS_MAX: Duration = Duration::from_secs(20);
/// How soon an interrupt is noticed.
const WAIT_MAX: Duration = Duration::from_millis(100);
