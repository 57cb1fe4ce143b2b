//! What goes on in the background: collecting, scrubbing, counting, looking at certificates.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, UNIX_EPOCH};

use media_store::Store;

use crate::admin::media::fault_line;
use crate::supervisor::{PartResult, Stop};
use crate::telemetry::metrics::{Counter, Gauge, Registry};
use crate::tls::Certificates;

/// After a start the first requests come first.
const COLLECT_FIRST: Duration = Duration::from_secs(60);
const COLLECT_INTERVAL: Duration = Duration::from_secs(3600);
/// Counting reads every object's row.
const COUNT_INTERVAL: Duration = Duration::from_secs(300);
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(10);

/// Collects what nothing refers to, each hour.
pub(super) async fn collect(store: Store, mut stop: Stop) -> PartResult {
    let mut pause = COLLECT_FIRST;
    while !is_stopped_within(pause, &mut stop).await {
        pause = COLLECT_INTERVAL;
        let store = store.clone();
        let collected =
            tokio::task::spawn_blocking(move || store.gc(store.now(), &mut ())).await??;
        tracing::debug!(?collected, "collected");
    }
    Ok(())
}

/// The numbers that [`count`] refreshes.
#[derive(Clone)]
pub(super) struct StoreGauges {
    objects: Gauge,
    bytes: Gauge,
    uploads: Gauge,
    free_bytes: Gauge,
    /// What the scrub found.
    pub faults: Counter,
}

impl StoreGauges {
    pub fn register(registry: &Registry) -> Self {
        let gauge = |name, help| registry.gauge(name, help, &[]);
        Self {
            objects: gauge("whimbrel_store_objects", "Objects in the store."),
            bytes: gauge("whimbrel_store_bytes", "Bytes of the objects in the store."),
            uploads: gauge("whimbrel_store_uploads", "Unfinished uploads."),
            free_bytes: gauge("whimbrel_store_free_bytes", "Bytes free for media."),
            faults: registry.counter(
                "whimbrel_store_faults_total",
                "Damaged objects that the background check found.",
                &[],
            ),
        }
    }
}

/// Counts what is in the store, every few minutes.
pub(super) async fn count(store: Store, gauges: StoreGauges, mut stop: Stop) -> PartResult {
    loop {
        let counted = store.clone();
        let stat = tokio::task::spawn_blocking(move || counted.stat()).await??;
        gauges.objects.set(stat.objects as i64);
        gauges.bytes.set(stat.bytes as i64);
        gauges.uploads.set(stat.uploads as i64);
        gauges.free_bytes.set(stat.free_bytes as i64);
        if is_stopped_within(COUNT_INTERVAL, &mut stop).await {
            return Ok(());
        }
    }
}

/// Reads all objects again, at the configuration's rate. Blocks.
pub(super) fn scrub(store: &Store, faults: &Counter, mut stop: Stop) -> PartResult {
    let (alive, ended) = sync_channel::<()>(0);
    tokio::runtime::Handle::current().spawn(async move {
        stop.requested().await;
        drop(alive);
    });
    store.scrub(&ended, &mut |fault| {
        faults.inc();
        tracing::error!(fault = fault_line(fault), "an object is damaged");
    })?;
    Ok(())
}

/// Puts changed certificates into use.
pub(super) async fn watch_certificates(
    certificates: Arc<Certificates>,
    mut stop: Stop,
) -> PartResult {
    while !is_stopped_within(CERTIFICATE_INTERVAL, &mut stop).await {
        let certificates = certificates.clone();
        tokio::task::spawn_blocking(move || certificates.refresh()).await?;
    }
    Ok(())
}

/// Shows when the certificate ends.
pub(super) fn show_certificate(registry: &Registry, certificates: Arc<Certificates>) {
    registry.gauge_fn(
        "whimbrel_certificate_not_after_seconds",
        "When the certificate in use ends, in seconds since 1970.",
        &[],
        move || {
            let ends = certificates.validity().not_after.duration_since(UNIX_EPOCH);
            ends.ok().map(|ends| ends.as_secs_f64())
        },
    );
}

async fn is_stopped_within(pause: Duration, stop: &mut Stop) -> bool {
    tokio::time::timeout(pause, stop.requested()).await.is_ok()
}
