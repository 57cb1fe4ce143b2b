//! `whimbrel-bench compare`: Whimbrel beside its peers, in one run on one machine.
//!
//! Servers and client have a core each. The server's cost is its own CPU time, read from the
//! kernel before and after: it holds on a busy machine, where wall time does not. Servers take
//! turns within each row, in rotating order, and the medians of the rounds are compared.

mod cells;
mod h2load;
mod machine;
mod outcome;
mod peers;
mod rows;
mod tree;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::cpu;
use crate::error::BenchError;
use crate::load::Interrupt;
use crate::process;
use crate::report;
use crate::size::Span;

pub use machine::Machine;
pub use outcome::{Comparison, RowOutcome, Verdict};
pub use peers::{Program, Server};
pub use rows::{Goal, Group, Row, Unit};

/// What is compared.
#[derive(Subcommand, Debug)]
pub enum CompareCommand {
    /// Files over HTTP: nginx, lighttpd, h2o and Whimbrel
    Http(CompareHttpArgs),
}

/// What `compare http` takes.
#[derive(Args, Debug)]
pub struct CompareHttpArgs {
    /// Only rows whose name contains one of these (see --list)
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Print the rows' names and stop
    #[arg(long)]
    list: bool,
    /// Rounds; their medians are compared
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Measuring time of each cell
    #[arg(long, default_value = "3s")]
    seconds: Span,
    /// Load before each measurement
    #[arg(long, default_value = "500ms")]
    warm_up: Span,
    /// Whimbrel's binary; `whimbrel` beside this program if not given
    #[arg(long)]
    whimbrel: Option<PathBuf>,
    /// The servers' core
    #[arg(long, default_value_t = 0)]
    server_cpu: usize,
    /// The client's core
    #[arg(long, default_value_t = 1)]
    client_cpu: usize,
    /// Priority of servers and client, -20 (first) to 19: for machines with other work
    #[arg(long, allow_hyphen_values = true, default_value_t = 0,
          value_parser = clap::value_parser!(i32).range(-20..=19))]
    nice: i32,
    /// Drive HTTP/2 by this program's own client even where h2load is installed
    #[arg(long)]
    own_h2: bool,
    /// Where the HTML report goes
    #[arg(long, default_value = "target/compare-http.html")]
    html: PathBuf,
    /// Where the Markdown report goes; nowhere if not given and only some rows were run
    #[arg(long)]
    markdown: Option<PathBuf>,
}

/// What all cells of a run share.
pub struct Setup<'a> {
    pub place: &'a tree::Workplace,
    pub h2load: Option<PathBuf>,
    pub server_core: usize,
    pub descriptors: u64,
    pub duration: Duration,
    pub warm_up: Duration,
    pub interrupt: &'a Interrupt,
}

/// Runs the comparison and writes its reports.
///
/// # Errors
/// No server can be started, the reports cannot be written, or the run was interrupted.
pub fn run(command: &CompareCommand, interrupt: &Interrupt) -> Result<(), BenchError> {
    let CompareCommand::Http(args) = command;
    let rows = rows::select(&args.rows);
    if args.list {
        for row in rows::ROWS {
            println!("{:<12} {}: {}", row.id, row.group.title(), row.title);
        }
        return Ok(());
    }
    if rows.is_empty() {
        let detail = format!("no row is called {}", args.rows.join(" or "));
        return Err(BenchError::Option { option: "rows", detail });
    }
    let comparison = compare(args, &rows, interrupt)?;
    report::text::print(&comparison);
    report::write(&args.html, &report::html::render(&comparison))?;
    let markdown = args.markdown.clone().or_else(|| {
        let default = PathBuf::from("benches/RESULTS.md");
        (args.rows.is_empty() && Path::new("benches").is_dir()).then_some(default)
    });
    if let Some(path) = markdown {
        report::write(&path, &report::markdown::render(&comparison))?;
    }
    Ok(())
}

fn compare(
    args: &CompareHttpArgs,
    rows: &[&'static Row],
    interrupt: &Interrupt,
) -> Result<Comparison, BenchError> {
    let descriptors = process::raise_descriptor_limit();
    if args.nice != 0 {
        rustix::process::setpriority_process(None, args.nice)
            .map_err(|errno| BenchError::io("setting the priority")(errno.into()))?;
    }
    cpu::pin_current_thread(args.client_cpu)?;
    let whimbrel = args.whimbrel.clone().unwrap_or_else(beside_this_program);
    // The servers start in a folder of their own.
    let whimbrel = std::path::absolute(&whimbrel).unwrap_or(whimbrel);
    let place = tree::Workplace::create()?;
    place.warm()?;
    let h2load = if args.own_h2 { None } else { peers::find_h2load() };
    let setup = Setup {
        place: &place,
        h2load,
        server_core: args.server_cpu,
        descriptors,
        duration: args.seconds.0,
        warm_up: args.warm_up.0,
        interrupt,
    };
    let mut comparison = Comparison::new(rows, args.rounds, args.seconds.0, Machine::read());
    comparison.h2load = setup.h2load.is_some();
    let mut servers = Vec::new();
    for server in Server::ALL {
        match start(&setup, server, &whimbrel) {
            Ok((program, running)) => {
                comparison.programs.push(program.clone());
                servers.push((program, running));
            }
            Err(Skipped::Interrupted) => return Err(BenchError::Interrupted),
            Err(Skipped::Because(reason)) => {
                eprintln!("{} is left out: {reason}", server.name());
                comparison.skipped.push((server, reason));
            }
        }
    }
    for round in 0..args.rounds as usize {
        for (index, row) in rows.iter().enumerate() {
            for turn in 0..servers.len() {
                let (program, running) = &servers[(turn + round + index) % servers.len()];
                eprint!("round {} {:<12} {:<10}", round + 1, row.id, program.server.name());
                match cells::measure(&setup, row, program, running) {
                    Ok(sample) => {
                        eprintln!("{:>10.2} {}", sample.value, row.unit.sign());
                        comparison.outcomes[index].add(program.server, sample);
                    }
                    Err(BenchError::Interrupted) => return Err(BenchError::Interrupted),
                    Err(error) => {
                        eprintln!("{error}");
                        comparison.outcomes[index].fail(program.server, error.to_string());
                    }
                }
            }
        }
    }
    Ok(comparison)
}

enum Skipped {
    Interrupted,
    Because(String),
}

fn start(
    setup: &Setup<'_>,
    server: Server,
    whimbrel: &Path,
) -> Result<(Program, peers::Running), Skipped> {
    let program = Program::find(server, whimbrel).map_err(Skipped::Because)?;
    let running = program.start(setup.place, setup.server_core, setup.descriptors, setup.interrupt);
    match running {
        Ok(running) => Ok((program, running)),
        Err(BenchError::Interrupted) => Err(Skipped::Interrupted),
        Err(error) => Err(Skipped::Because(error.to_string())),
    }
}

fn beside_this_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join("whimbrel")
}
