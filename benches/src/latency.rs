//! Histograms of latency, and how they are shown.

use std::time::Duration;

use hdrhistogram::Histogram;

/// 1 ns to 10 minutes in three significant digits.
pub fn histogram() -> Histogram<u64> {
    let made = Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS);
    made.expect("the constants are within the histogram's bounds")
}

/// Notes a latency; what is beyond the bounds counts as the bound.
pub fn record(latency_ns: &mut Histogram<u64>, latency: Duration) {
    let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
    latency_ns.saturating_record(nanoseconds.max(1));
}

/// The usual quantiles in µs or ms.
pub fn line(latency_ns: &Histogram<u64>) -> String {
    let shown = |quantile: f64| shown_ns(latency_ns.value_at_quantile(quantile));
    let quantiles = QUANTILES.iter().map(|(name, quantile)| format!("{name} {}", shown(*quantile)));
    format!("{}, max {}", quantiles.collect::<Vec<_>>().join(", "), shown_ns(latency_ns.max()))
}

fn shown_ns(nanoseconds: u64) -> String {
    match Duration::from_nanos(nanoseconds) {
        short if short < Duration::from_millis(1) => format!("{:.0} µs", nanoseconds as f64 / 1e3),
        long => format!("{:.2} ms", long.as_secs_f64() * 1e3),
    }
}

const LATENCY_NS_MAX: u64 = 600_000_000_000;
const LATENCY_DIGITS: u8 = 3;
const QUANTILES: [(&str, f64); 5] =
    [("50 %", 0.5), ("90 %", 0.9), ("99 %", 0.99), ("99.9 %", 0.999), ("99.99 %", 0.9999)];
