//! Start order, restart of what failed, and the order to stop.
//!
//! Starting is a list of named steps: each is logged with its time, and a failure carries the
//! step's name. A part that goes on by itself is watched: when it panics or returns early, it is
//! counted, logged, and started again after a pause that doubles.

use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::telemetry::health::{Health, PartName, PartState};
use crate::telemetry::metrics::{Counter, Registry};

/// The first pause before a failed part is started again.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The pause doubles up to this.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// A part that ran this long begins with the first pause again.
const STABLE_AFTER: Duration = Duration::from_secs(60);

/// What a part may end with.
pub type PartResult = Result<(), Box<dyn Error + Send + Sync>>;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {source}")]
pub struct StartError {
    /// The step that failed.
    pub step: &'static str,
    /// What was wrong, and what to do.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Does one step of the start.
pub fn step<T, E>(step: &'static str, run: impl FnOnce() -> Result<T, E>) -> Result<T, StartError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let begun = Instant::now();
    let done = run().map_err(|source| StartError { step, source: source.into() })?;
    tracing::debug!(step, took_us = begun.elapsed().as_micros() as u64, "started");
    Ok(done)
}

/// Watches the parts.
pub struct Supervisor {
    health: Health,
    registry: Registry,
    stop: watch::Sender<bool>,
    parts: Vec<(PartName, JoinHandle<()>)>,
}

/// Tells a part that it shall end.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Whether it shall end.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when it shall end.
    pub async fn requested(&mut self) {
        // An error means that the supervisor is gone: it shall end too.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}

impl Supervisor {
    /// Without parts yet.
    pub fn new(health: Health, registry: Registry) -> Self {
        Self { health, registry, stop: watch::Sender::new(false), parts: Vec::new() }
    }

    /// Watches a part that runs as a task; `make` starts it, and starts it again.
    pub fn watch_task<F>(
        &mut self,
        name: impl Into<PartName>,
        make: impl Fn(Stop) -> F + Send + 'static,
    ) where
        F: Future<Output = PartResult> + Send + 'static,
    {
        self.watch(name.into(), move |stop| tokio::spawn(make(stop)));
    }

    /// Watches a part that needs a thread because it blocks.
    pub fn watch_thread(
        &mut self,
        name: impl Into<PartName>,
        body: impl Fn(Stop) -> PartResult + Send + Sync + 'static,
    ) {
        let body = Arc::new(AssertUnwindSafe(body));
        self.watch(name.into(), move |stop| {
            let body = body.clone();
            tokio::task::spawn_blocking(move || body(stop))
        });
    }

    /// Asks all parts to end, and waits for them until `deadline`; names those that did not.
    pub async fn stop(self, deadline: tokio::time::Instant) -> Vec<PartName> {
        self.stop.send_replace(true);
        let mut late = Vec::new();
        for (name, mut part) in self.parts.into_iter().rev() {
            self.health.set(name.clone(), PartState::Draining);
            match tokio::time::timeout_at(deadline, &mut part).await {
                Ok(_) => self.health.set(name, PartState::Stopped),
                Err(_) => {
                    part.abort();
                    late.push(name);
                }
            }
        }
        late
    }

    fn watch(
        &mut self,
        name: PartName,
        start: impl Fn(Stop) -> JoinHandle<PartResult> + Send + 'static,
    ) {
        self.health.set(name.clone(), PartState::Starting);
        let watched = Watched {
            name: name.clone(),
            health: self.health.clone(),
            stop: Stop(self.stop.subscribe()),
            restarts: self.registry.counter(
                "whimbrel_part_restarts_total",
                "How often a part failed and was started again.",
                &[("part", &name)],
            ),
        };
        self.parts.push((name, tokio::spawn(watched.run(start))));
    }
}

struct Watched {
    name: PartName,
    health: Health,
    stop: Stop,
    restarts: Counter,
}

impl Watched {
    async fn run(mut self, start: impl Fn(Stop) -> JoinHandle<PartResult>) {
        let mut backoff = BACKOFF_MIN;
        while !self.stop.is_requested() {
            self.health.set(self.name.clone(), PartState::Serving);
            let begun = Instant::now();
            let ended = start(self.stop.clone()).await;
            if self.stop.is_requested() {
                return;
            }
            if begun.elapsed() >= STABLE_AFTER {
                backoff = BACKOFF_MIN;
            }
            self.restarts.inc();
            self.health.set(self.name.clone(), PartState::Restarting);
            let (part, reason) = (&*self.name, reason_of(ended));
            tracing::error!(part, reason, pause_ms = backoff.as_millis() as u64, "a part failed");
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = self.stop.requested() => return,
            }
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }
}

fn reason_of(ended: Result<PartResult, JoinError>) -> String {
    match ended {
        Ok(Ok(())) => "it returned early".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => {
                let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
                let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
                format!("it panicked: {}", text.unwrap_or_else(|| "without words".to_owned()))
            }
            Err(_) => "it was cancelled".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn a_part_that_fails_is_started_again_and_counted() {
        let (health, registry) = (Health::new(), Registry::new());
        let runs = Arc::new(AtomicUsize::new(0));
        runtime().block_on(async {
            let mut supervisor = Supervisor::new(health.clone(), registry.clone());
            let counted = runs.clone();
            let (third, mut reached) = tokio::sync::mpsc::channel(1);
            supervisor.watch_task("part", move |mut stop| {
                let (run, third) = (counted.fetch_add(1, Ordering::Relaxed), third.clone());
                async move {
                    match run {
                        0 => panic!("first"),
                        1 => Err("second".into()),
                        _ => {
                            let _ = third.send(()).await;
                            stop.requested().await;
                            Ok(())
                        }
                    }
                }
            });
            reached.recv().await;
            assert!(health.is_serving());
            let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
            assert_eq!(supervisor.stop(deadline).await, Vec::<&str>::new());
        });
        assert_eq!(health.parts(), [("part".into(), PartState::Stopped)]);
        let restarts = "whimbrel_part_restarts_total{part=\"part\"} 2\n";
        assert!(registry.render().contains(restarts), "{}", registry.render());
    }

    #[test]
    fn a_part_that_does_not_end_is_named() {
        runtime().block_on(async {
            let mut supervisor = Supervisor::new(Health::new(), Registry::new());
            supervisor.watch_task("deaf", |_| std::future::pending());
            tokio::task::yield_now().await;
            let deadline = tokio::time::Instant::now();
            assert_eq!(supervisor.stop(deadline).await, ["deaf"]);
        });
    }

    #[test]
    fn a_failed_step_is_named() {
        let failed = step("data lock", || Err::<(), _>("held by another"));
        assert_eq!(failed.unwrap_err().to_string(), "data lock: held by another");
    }
}
