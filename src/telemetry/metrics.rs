//! Counters, gauges and histograms, and their Prometheus text form (exposition format 0.0.4).
//!
//! A number that one thread writes has a `Lane…` handle: its methods take `&mut self`, so the
//! compiler proves the single writer, and an update is a plain load and store without a locked
//! instruction. The registry keeps every lane's number and a scrape sums those that have the same
//! name and labels.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// `Content-Type` of what [`Registry::render`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bound of the first latency bucket is `2^BUCKET_FIRST_EXPONENT` nanoseconds.
const BUCKET_FIRST_EXPONENT: u32 = 12;
/// Bounds double from 4.096 µs to 34.4 s; what is slower falls into `+Inf`.
const BUCKETS: usize = 24;

/// A number that only grows; any thread may add.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct LaneCounter(Arc<AtomicU64>);

impl LaneCounter {
    /// Adds one.
    pub fn inc(&mut self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&mut self, count: u64) {
        add_alone(&self.0, count);
    }
}

/// A number that rises and falls; any thread may change it.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicI64>);

impl Gauge {
    /// Adds `amount`, which may be negative.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Relaxed);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.add(-1);
    }

    /// Replaces the number.
    pub fn set(&self, amount: i64) {
        self.0.store(amount, Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// How long things took, in buckets whose bounds double; any thread may observe.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Arc<Buckets>);

impl Histogram {
    /// Counts one observation.
    pub fn observe(&self, took: Duration) {
        let nanos = nanos_of(took);
        self.0.counts[bucket_of(nanos)].fetch_add(1, Relaxed);
        self.0.sum_nanos.fetch_add(nanos, Relaxed);
    }
}

/// A histogram with one writer: an observation costs two loads and two stores.
#[derive(Debug, Default)]
pub struct LaneHistogram(Arc<Buckets>);

impl LaneHistogram {
    /// Counts one observation.
    pub fn observe(&mut self, took: Duration) {
        let nanos = nanos_of(took);
        add_alone(&self.0.counts[bucket_of(nanos)], 1);
        add_alone(&self.0.sum_nanos, nanos);
    }
}

#[derive(Debug, Default)]
struct Buckets {
    /// One per bound, then `+Inf`; not cumulative.
    counts: [AtomicU64; BUCKETS + 1],
    sum_nanos: AtomicU64,
}

/// Where parts register what they measure, and where a scrape reads it.
#[derive(Clone, Default)]
pub struct Registry(Arc<Mutex<BTreeMap<&'static str, Family>>>);

/// Label names and values of one series.
pub type Labels<'a> = &'a [(&'static str, &'a str)];

impl Registry {
    /// A registry without families.
    pub fn new() -> Self {
        Self::default()
    }

    /// A shared counter; registering the same name and labels again adds a further summand.
    pub fn counter(&self, name: &'static str, help: &'static str, labels: Labels) -> Counter {
        let counter = Counter::default();
        self.register(name, help, labels, Kind::Counter, Source::Count(counter.0.clone()));
        counter
    }

    /// A counter with one writer.
    pub fn lane_counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
    ) -> LaneCounter {
        LaneCounter(self.counter(name, help, labels).0)
    }

    /// A shared gauge.
    pub fn gauge(&self, name: &'static str, help: &'static str, labels: Labels) -> Gauge {
        let gauge = Gauge::default();
        self.register(name, help, labels, Kind::Gauge, Source::Level(gauge.0.clone()));
        gauge
    }

    /// A gauge that is asked at each scrape; `None` leaves its series out.
    pub fn gauge_fn(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
        ask: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        self.register(name, help, labels, Kind::Gauge, Source::Asked(Box::new(ask)));
    }

    /// A counter that is asked at each scrape; `None` leaves its series out.
    pub fn counter_fn(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
        ask: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        self.register(name, help, labels, Kind::Counter, Source::Asked(Box::new(ask)));
    }

    /// A shared histogram of seconds.
    pub fn histogram(&self, name: &'static str, help: &'static str, labels: Labels) -> Histogram {
        let histogram = Histogram::default();
        self.register(name, help, labels, Kind::Histogram, Source::Spread(histogram.0.clone()));
        histogram
    }

    /// A histogram of seconds with one writer.
    pub fn lane_histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
    ) -> LaneHistogram {
        LaneHistogram(self.histogram(name, help, labels).0)
    }

    /// All families as Prometheus reads them.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        for (name, family) in self.lock().iter() {
            family.render(name, &mut text);
        }
        text
    }

    fn register(
        &self,
        name: &'static str,
        help: &'static str,
        labels: Labels,
        kind: Kind,
        source: Source,
    ) {
        assert!(is_name(name), "{name:?} is not a metric name");
        let labels = LabelSet::of(labels);
        let mut families = self.lock();
        let family =
            families.entry(name).or_insert_with(|| Family { kind, help, series: BTreeMap::new() });
        assert_eq!(family.kind, kind, "{name} is registered as two kinds");
        family.series.entry(labels).or_default().push(source);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, Family>> {
        // A panic while it was held leaves a readable map.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

enum Source {
    Count(Arc<AtomicU64>),
    Level(Arc<AtomicI64>),
    Spread(Arc<Buckets>),
    Asked(Box<dyn Fn() -> Option<f64> + Send + Sync>),
}

struct Family {
    kind: Kind,
    help: &'static str,
    series: BTreeMap<LabelSet, Vec<Source>>,
}

impl Family {
    fn render(&self, name: &str, text: &mut String) {
        let kind = match self.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
        put(text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for (labels, sources) in &self.series {
            match self.kind {
                Kind::Histogram => render_histogram(name, labels, sources, text),
                Kind::Counter | Kind::Gauge => render_number(name, labels, sources, text),
            }
        }
    }
}

fn render_number(name: &str, labels: &LabelSet, sources: &[Source], text: &mut String) {
    let mut whole: i128 = 0;
    let mut asked: Option<f64> = None;
    let mut known = false;
    for source in sources {
        match source {
            Source::Count(count) => whole += i128::from(count.load(Relaxed)),
            Source::Level(level) => whole += i128::from(level.load(Relaxed)),
            Source::Spread(_) => continue,
            Source::Asked(ask) => match ask() {
                Some(number) => asked = Some(asked.unwrap_or(0.0) + number),
                None => continue,
            },
        }
        known = true;
    }
    let labels = labels.text(None);
    match asked {
        _ if !known => {}
        None => put(text, format_args!("{name}{labels} {whole}\n")),
        Some(number) => put(text, format_args!("{name}{labels} {}\n", number + whole as f64)),
    }
}

fn render_histogram(name: &str, labels: &LabelSet, sources: &[Source], text: &mut String) {
    let mut counts = [0u64; BUCKETS + 1];
    let mut sum_nanos = 0u64;
    for source in sources {
        let Source::Spread(buckets) = source else { continue };
        for (total, count) in counts.iter_mut().zip(&buckets.counts) {
            *total += count.load(Relaxed);
        }
        sum_nanos = sum_nanos.wrapping_add(buckets.sum_nanos.load(Relaxed));
    }
    let mut seen = 0;
    for (bucket, count) in counts.iter().enumerate() {
        seen += count;
        let labels = labels.text(Some(&bound_text(bucket)));
        put(text, format_args!("{name}_bucket{labels} {seen}\n"));
    }
    let labels = labels.text(None);
    let sum = sum_nanos as f64 / 1e9;
    put(text, format_args!("{name}_sum{labels} {sum}\n{name}_count{labels} {seen}\n"));
}

/// Labels in the order of their registration, values as given.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LabelSet(Vec<(&'static str, String)>);

impl LabelSet {
    fn of(labels: Labels) -> Self {
        for (name, _) in labels {
            assert!(is_name(name) && !name.contains(':') && *name != "le", "label {name:?}");
        }
        Self(labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect())
    }

    /// `{a="b",le="…"}`, or nothing where there is no label.
    fn text(&self, bound: Option<&str>) -> String {
        let pairs = self.0.iter().map(|(name, value)| (*name, value.as_str()));
        let mut text = String::new();
        for (name, value) in pairs.chain(bound.map(|bound| ("le", bound))) {
            let opening = if text.is_empty() { '{' } else { ',' };
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            put(&mut text, format_args!("{opening}{name}=\"{value}\""));
        }
        if !text.is_empty() {
            text.push('}');
        }
        text
    }
}

fn add_alone(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(count), Relaxed);
}

fn nanos_of(took: Duration) -> u64 {
    took.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(took.subsec_nanos()))
}

/// The first bucket whose bound is not below `nanos`.
fn bucket_of(nanos: u64) -> usize {
    let exponent = u64::BITS - nanos.saturating_sub(1).leading_zeros();
    (exponent.saturating_sub(BUCKET_FIRST_EXPONENT) as usize).min(BUCKETS)
}

fn bound_text(bucket: usize) -> String {
    if bucket == BUCKETS {
        return "+Inf".to_owned();
    }
    let nanos = 1u64 << (BUCKET_FIRST_EXPONENT as usize + bucket);
    format!("{}", nanos as f64 / 1e9)
}

fn is_name(name: &str) -> bool {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

fn put(text: &mut String, arguments: std::fmt::Arguments) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bucket(nanos: u64, bound: &str) {
        assert_eq!(bound_text(bucket_of(nanos)), bound, "{nanos} ns");
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        check_bucket(0, "0.000004096");
        check_bucket(4096, "0.000004096");
        check_bucket(4097, "0.000008192");
        check_bucket(1 << 35, "34.359738368");
        check_bucket((1 << 35) + 1, "+Inf");
        check_bucket(u64::MAX, "+Inf");
    }

    #[test]
    fn lanes_are_summed_and_text_is_escaped() {
        let registry = Registry::new();
        let mut one = registry.lane_counter("requests_total", "Re\\quests\n.", &[("h", "a\"\\\n")]);
        let mut two = registry.lane_counter("requests_total", "", &[("h", "a\"\\\n")]);
        one.add(2);
        two.inc();
        assert_eq!(
            registry.render(),
            "# HELP requests_total Re\\\\quests\\n.\n# TYPE requests_total counter\n\
             requests_total{h=\"a\\\"\\\\\\n\"} 3\n"
        );
    }

    #[test]
    fn a_histogram_is_cumulative() {
        let registry = Registry::new();
        let mut lane = registry.lane_histogram("took_seconds", "Time.", &[]);
        lane.observe(Duration::from_micros(5));
        lane.observe(Duration::from_secs(60));
        let shared = registry.histogram("took_seconds", "Time.", &[]);
        shared.observe(Duration::from_nanos(1));
        let text = registry.render();
        assert!(text.contains("took_seconds_bucket{le=\"0.000004096\"} 1\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{le=\"0.000008192\"} 2\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{le=\"34.359738368\"} 2\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{le=\"+Inf\"} 3\n"), "{text}");
        assert!(text.contains("took_seconds_sum 60.000005001\ntook_seconds_count 3\n"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let registry = Registry::new();
        registry.gauge_fn("known", "K.", &[], || Some(0.5));
        registry.gauge_fn("unknown", "U.", &[], || None);
        let text = registry.render();
        assert!(text.contains("\nknown 0.5\n") && !text.contains("\nunknown "), "{text}");
    }
}
