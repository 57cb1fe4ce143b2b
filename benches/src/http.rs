//! `whimbrel-bench http`: a load of one's own making on any server.

use clap::Args;

use crate::cpu::{self, CpuTime};
use crate::error::BenchError;
use crate::latency;
use crate::load::open_loop::Arrivals;
use crate::load::{self, Arrival, Interrupt, LoadReport, LoadSpec, Moment, Origin, Protocol};
use crate::process;
use crate::size::{ByteRate, ByteSize, MIB, Span};
use crate::tls::{Alpn, Offer};
use crate::zipf::Mix;

/// What `http` takes.
#[derive(Args, Debug)]
pub struct HttpArgs {
    /// Addresses to ask for; all of one scheme, host and port
    #[arg(required = true)]
    urls: Vec<String>,
    /// Connections
    #[arg(short, long, default_value_t = 64)]
    connections: usize,
    /// How long to measure
    #[arg(short, long, default_value = "10s")]
    duration: Span,
    /// Stop after so many requests, if the time is not over before
    #[arg(short = 'n', long)]
    requests: Option<u64>,
    /// Load before the measurement
    #[arg(long, default_value = "0s")]
    warm_up: Span,
    /// Open loop: requests per second, whether the server keeps up or not; latency is counted
    /// from the time at which each should have been sent
    #[arg(long)]
    rps: Option<f64>,
    /// Spacing of an open loop's requests
    #[arg(long, value_enum, default_value = "poisson")]
    arrivals: Arrivals,
    /// HTTP/2 (over https)
    #[arg(long)]
    http2: bool,
    /// HTTP/2: requests under way per connection
    #[arg(long, default_value_t = 1, requires = "http2")]
    streams: usize,
    /// HTTP/1.1: requests under way per connection
    #[arg(long, default_value_t = 1, conflicts_with = "http2")]
    pipeline: usize,
    /// A fresh connection (and full TLS handshake) for each request
    #[arg(long)]
    close: bool,
    /// Draw addresses by Zipf's law with this exponent, the first the most popular
    #[arg(long, conflicts_with = "weights")]
    zipf: Option<f64>,
    /// Draw addresses by these weights, one each
    #[arg(long, value_delimiter = ',')]
    weights: Option<Vec<f64>>,
    /// Ask for ranges of this size at random places
    #[arg(long, value_name = "SIZE")]
    range: Option<ByteSize>,
    /// Read at this rate over all connections, as in 1.2GiB/s
    #[arg(long, value_name = "RATE")]
    rate: Option<ByteRate>,
    /// Offer TLS_AES_128_GCM_SHA256 of TLS 1.3 only
    #[arg(long)]
    aes128: bool,
    /// Offer key exchange by X25519 only
    #[arg(long)]
    x25519: bool,
    /// A further header, as in 'Accept-Encoding: br'
    #[arg(short = 'H', long = "header", value_name = "HEADER")]
    headers: Vec<String>,
    /// The status that answers must have (206 with --range)
    #[arg(long)]
    status: Option<u16>,
    /// Report failed requests, but do not fail for them
    #[arg(long)]
    allow_errors: bool,
    /// Pin this client to a core
    #[arg(long)]
    cpu: Option<usize>,
    /// Report the CPU time of this process and its children; 0 finds it by the port
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs the load and prints its report.
///
/// # Errors
/// The arguments do not fit together, the server cannot be reached, or requests failed.
pub fn run(args: &HttpArgs, interrupt: &Interrupt) -> Result<(), BenchError> {
    let spec = spec(args)?;
    let descriptors = process::raise_descriptor_limit();
    let wanted = spec.connections as u64 + DESCRIPTORS_SPARE;
    if wanted > descriptors {
        return Err(BenchError::Descriptors { wanted, limit: descriptors });
    }
    if let Some(core) = args.cpu {
        cpu::pin_current_thread(core)?;
    }
    let server = match args.server_pid {
        Some(0) => Some(process::listening_on(spec.origin.address.port())?),
        other => other,
    };
    let mut readings = Vec::new();
    let report = load::run(&spec, interrupt, &mut |_: Moment| {
        readings.extend(server.map(CpuTime::of_tree));
    })?;
    print_report(&spec, &report);
    let readings = readings.into_iter().collect::<Result<Vec<_>, _>>()?;
    if let [before, after] = readings[..] {
        print_cpu(after.since(before), &report);
    }
    if args.allow_errors { Ok(()) } else { report.check() }
}

fn spec(args: &HttpArgs) -> Result<LoadSpec, BenchError> {
    let (origin, targets) = Origin::parse_all(&args.urls)?;
    let connections = args.connections.max(1);
    Ok(LoadSpec {
        mix: mix(args, targets.len())?,
        origin,
        targets,
        protocol: match args.http2 {
            true => Protocol::Http2 { streams: args.streams },
            false => Protocol::Http1 { pipeline: args.pipeline },
        },
        tls: Offer {
            aes_128_only: args.aes128,
            x25519_only: args.x25519,
            alpn: if args.http2 { Alpn::Http2 } else { Alpn::Http1 },
        },
        connections,
        arrival: arrival(args)?,
        warm_up: args.warm_up.0,
        duration: args.duration.0,
        requests_max: args.requests,
        range_bytes: args.range.map(|size| size.0),
        read_rate: args.rate.map(|rate| rate.0),
        close: args.close,
        headers: args.headers.iter().map(|line| parse_header(line)).collect::<Result<_, _>>()?,
        status: args.status.unwrap_or(if args.range.is_some() { 206 } else { 200 }),
        seed: args.seed,
    })
}

fn mix(args: &HttpArgs, targets: usize) -> Result<Mix, BenchError> {
    match (&args.weights, args.zipf) {
        (Some(weights), _) if weights.len() != targets => {
            let detail = format!("{} weights for {targets} addresses", weights.len());
            Err(BenchError::Option { option: "weights", detail })
        }
        (Some(weights), _) => Mix::weighted(weights),
        (None, Some(exponent)) if exponent.is_finite() => Ok(Mix::zipf(targets, exponent)),
        _ => Ok(Mix::even(targets)),
    }
}

fn arrival(args: &HttpArgs) -> Result<Arrival, BenchError> {
    match args.rps {
        None => Ok(Arrival::Closed),
        Some(per_second) if per_second > 0.0 && per_second.is_finite() => {
            Ok(Arrival::Open { per_second, arrivals: args.arrivals })
        }
        Some(other) => {
            Err(BenchError::Option { option: "rps", detail: format!("{other} is no rate") })
        }
    }
}

/// Splits `Name: value`; a line break would smuggle a request in.
fn parse_header(line: &str) -> Result<(String, String), BenchError> {
    let refused =
        || BenchError::Parse { text: line.to_owned(), wanted: "a header like Name: value" };
    let (name, value) = line.split_once(':').ok_or_else(refused)?;
    let name = http::HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| refused())?;
    let value = http::HeaderValue::from_str(value.trim()).map_err(|_| refused())?;
    let value = value.to_str().map_err(|_| refused())?.to_owned();
    Ok((name.as_str().to_owned(), value))
}

fn print_report(spec: &LoadSpec, report: &LoadReport) {
    let seconds = report.elapsed.as_secs_f64();
    let mib_per_s = report.body_bytes as f64 / MIB / seconds.max(f64::MIN_POSITIVE);
    println!(
        "{} answers in {seconds:.2} s over {} connections: {:.0} requests/s, {mib_per_s:.1} MiB/s",
        report.answered,
        spec.connections,
        report.rate(),
    );
    if report.connections > 0 {
        println!("connections opened while measuring: {}", report.connections);
    }
    println!("latency {}", latency::line(&report.latency_ns));
    for (fault, count) in &report.faults {
        println!("failed: {count} × {fault}");
    }
}

fn print_cpu(used: CpuTime, report: &LoadReport) {
    println!(
        "server CPU {}, {:.0} ms per GiB",
        used.line(report.elapsed, "request", report.answered),
        used.total_ns as f64 / 1e6 / (report.body_bytes.max(1) as f64 / crate::size::GIB),
    );
}

/// Descriptors beside the connections: epoll, standard streams, runtime, `/proc`.
const DESCRIPTORS_SPARE: u64 = 64;
