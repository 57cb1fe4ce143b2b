//! `whimbrel-bench compare http`: files over HTTP, beside nginx, lighttpd and h2o.

mod beside;
mod cells;
mod h2load;
mod peers;
pub mod rows;
mod tree;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::error::BenchError;
use crate::load::Interrupt;

use super::CommonArgs;
use super::outcome::{Comparison, Subject};
use super::server::Program;
use peers::WebServer;
use rows::HttpRow;

/// What `compare http` takes.
#[derive(Args, Debug)]
pub struct CompareHttpArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Drive HTTP/2 by this program's own client even where h2load is installed
    #[arg(long)]
    own_h2: bool,
    /// Where the HTML report goes
    #[arg(long, default_value = "target/compare-http.html")]
    html: PathBuf,
}

/// What all cells of a run share.
struct Setup<'a> {
    place: &'a tree::Workplace,
    h2load: Option<PathBuf>,
    server_core: usize,
    descriptors: u64,
    duration: Duration,
    warm_up: Duration,
    interrupt: &'a Interrupt,
}

impl Setup<'_> {
    fn start(&self, program: &Program) -> Result<WebServer, BenchError> {
        peers::start(program, self.place, self.server_core, self.descriptors, self.interrupt)
    }
}

/// Runs the comparison and writes its reports.
///
/// # Errors
/// No server can be started, the reports cannot be written, or the run was interrupted.
pub fn run(args: &CompareHttpArgs, interrupt: &Interrupt) -> Result<(), BenchError> {
    let common = &args.common;
    let rows = common.choose(rows::ROWS, |row| &row.row)?;
    if rows.is_empty() {
        return Ok(());
    }
    let comparison = compare(args, &rows, interrupt)?;
    common.report(&comparison, &args.html)
}

fn compare(
    args: &CompareHttpArgs,
    rows: &[&'static HttpRow],
    interrupt: &Interrupt,
) -> Result<Comparison, BenchError> {
    let common = &args.common;
    let descriptors = common.prepare()?;
    let whimbrel = common.whimbrel();
    let place = tree::Workplace::create()?;
    place.warm()?;
    let setup = Setup {
        place: &place,
        h2load: if args.own_h2 { None } else { peers::find_h2load() },
        server_core: common.server_cpu,
        descriptors,
        duration: common.seconds.0,
        warm_up: common.warm_up.0,
        interrupt,
    };
    let heads = rows.iter().map(|row| &row.row);
    let mut comparison = Comparison::new(SUBJECT, heads, common.rounds, common.seconds.0);
    comparison.remarks = remarks(setup.h2load.is_some());
    let find = |server| peers::find(server, &whimbrel);
    let servers = comparison.start_all(&peers::SERVERS, find, |program| {
        let running = setup.start(&program)?;
        Ok((program, running))
    })?;
    super::take_turns(&mut comparison, servers.len(), |row, server| {
        let (program, running) = &servers[server];
        cells::measure(&setup, rows[row], program, running)
    })?;
    Ok(comparison)
}

fn remarks(has_h2load: bool) -> Vec<String> {
    let driver = if has_h2load { "h2load" } else { "this program's own client" };
    vec![
        "CPU is the server's own, all its processes and threads, user and system, from the \
         kernel's process clock before and after. One worker each, access logs off, server and \
         client pinned to a core each, all files in the page cache, loopback."
            .to_owned(),
        "64 connections with keep-alive, 8 for 100 MiB, 16 for handshakes. The ratio is Whimbrel \
         by the best peer, or by the peer that the target names."
            .to_owned(),
        "TLS: TLS_AES_128_GCM_SHA256, X25519, ECDSA P-256, no resumption. Debian's peers run on \
         OpenSSL 3.0, which encrypts a record of 16 KiB in 3.8 µs where aws-lc takes 1.44: part \
         of each TLS ratio is the library's, not the server's."
            .to_owned(),
        format!("HTTP/2 is driven by {driver}."),
        "Memory is the slope of RSS over the number of connections, each idle after one request, \
         at a fresh process."
            .to_owned(),
        "Beside idle connections: two processes of a server take turns, in 12 pairs of slices of a \
         twelfth of the time, the one with idle connections, the other without; then they change \
         places for another 12. The median ratio of the pairs is told."
            .to_owned(),
    ]
}

const SUBJECT: Subject = Subject {
    heading: "Files over HTTP, beside nginx, lighttpd and h2o",
    lead: "Files over HTTP: the server’s own CPU time and memory, measured in one run. Less is \
           better.",
    against_each: false,
};
