//! The process seen from outside: memory, processor time, descriptors (proc(5)).

use std::time::{SystemTime, UNIX_EPOCH};

use super::metrics::Registry;

/// Registers the families that Prometheus' own clients name `process_*`, and the build's version.
pub fn register(registry: &Registry) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    registry
        .gauge(
            "whimbrel_build_info",
            "The running version, as a label.",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )
        .set(1);
    registry.gauge_fn(
        "process_start_time_seconds",
        "When the server started, in seconds since 1970.",
        &[],
        move || Some(started),
    );
    registry.gauge_fn(
        "process_resident_memory_bytes",
        "Memory in use, file mappings included.",
        &[],
        resident_bytes,
    );
    registry.counter_fn(
        "process_cpu_seconds_total",
        "Processor time of all threads, user and system.",
        &[],
        || Some(cpu_seconds()),
    );
    registry.gauge_fn("process_open_fds", "Open descriptors.", &[], || {
        open_descriptors().map(|count| count as f64)
    });
    registry.gauge_fn("process_max_fds", "Descriptors allowed.", &[], || {
        descriptors_max().map(|count| count as f64)
    });
}

/// Descriptors that are open now; `None` without a `/proc`.
pub fn open_descriptors() -> Option<u64> {
    let listing = std::fs::read_dir("/proc/self/fd").ok()?;
    // The listing itself holds one.
    Some((listing.count() as u64).saturating_sub(1))
}

/// How many descriptors the process may open; `None` where there is no limit.
pub fn descriptors_max() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

fn resident_bytes() -> Option<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some((pages * rustix::param::page_size() as u64) as f64)
}

fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_process_is_measured() {
        let registry = Registry::new();
        register(&registry);
        let text = registry.render();
        for name in ["resident_memory_bytes", "cpu_seconds_total", "open_fds", "max_fds"] {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{name} in {text}");
        }
    }
}
