//! `whimbrel-bench compare`: Whimbrel beside its peers, in one run on one machine.
//!
//! Servers and client have a core each. The server's cost is its own CPU time, read from the
//! kernel before and after: it holds on a busy machine, where wall time does not. Servers take
//! turns within each row, in rotating order, and the medians of the rounds are compared.

mod chat;
mod http;
mod machine;
mod outcome;
mod rows;
mod server;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use crate::cpu;
use crate::error::BenchError;
use crate::load::Interrupt;
use crate::process;
use crate::report;
use crate::size::Span;

pub use machine::without_folders;
pub use outcome::{Comparison, Fact, RowOutcome, Sample, Verdict};
pub use rows::{Goal, Group, Row, Unit};
pub use server::{Program, Server};

/// What is compared.
#[derive(Subcommand, Debug)]
pub enum CompareCommand {
    /// Files over HTTP: nginx, lighttpd, h2o and Whimbrel
    Http(http::CompareHttpArgs),
    /// Chat: ejabberd, Prosody and Whimbrel
    Chat(chat::CompareChatArgs),
}

/// What all comparisons take.
#[derive(Args, Debug)]
pub struct CommonArgs {
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
    /// Where the Markdown report goes, in place of its own section there and beside all others;
    /// nowhere if not given and only some rows were run
    #[arg(long)]
    markdown: Option<PathBuf>,
}

impl CommonArgs {
    /// Sets limits, priority and core, and says how many descriptors there are.
    fn prepare(&self) -> Result<u64, BenchError> {
        let descriptors = process::raise_descriptor_limit();
        if self.nice != 0 {
            rustix::process::setpriority_process(None, self.nice)
                .map_err(|errno| BenchError::io("setting the priority")(errno.into()))?;
        }
        cpu::pin_current_thread(self.client_cpu)?;
        Ok(descriptors)
    }

    /// Whimbrel's program. The servers start in a folder of their own, so the path is absolute.
    fn whimbrel(&self) -> PathBuf {
        let path = self.whimbrel.clone().unwrap_or_else(beside_this_program);
        std::path::absolute(&path).unwrap_or(path)
    }

    /// The rows that are asked for; none if they were only to be listed, which is done here.
    fn choose<R>(
        &self,
        rows: &'static [R],
        head: fn(&R) -> &Row,
    ) -> Result<Vec<&'static R>, BenchError> {
        if self.list {
            for row in rows.iter().map(head) {
                println!("{:<18} {}: {}", row.id, row.group.title(), row.title);
            }
            return Ok(Vec::new());
        }
        let chosen = rows::select(rows, head, &self.rows);
        if chosen.is_empty() {
            let detail = format!("no row is called {}", self.rows.join(" or "));
            return Err(BenchError::Option { option: "rows", detail });
        }
        Ok(chosen)
    }

    /// Prints the table and writes the reports.
    fn report(&self, comparison: &Comparison, html: &Path) -> Result<(), BenchError> {
        report::text::print(comparison);
        report::write(html, &report::html::render(comparison))?;
        let markdown = self.markdown.clone().or_else(|| {
            let default = PathBuf::from("benches/RESULTS.md");
            (self.rows.is_empty() && Path::new("benches").is_dir()).then_some(default)
        });
        match markdown {
            Some(path) => report::write_section(&path, comparison),
            None => Ok(()),
        }
    }
}

/// Runs a comparison and writes its reports.
///
/// # Errors
/// No server can be started, the reports cannot be written, or the run was interrupted.
pub fn run(command: &CompareCommand, interrupt: &Interrupt) -> Result<(), BenchError> {
    match command {
        CompareCommand::Http(args) => http::run(args, interrupt),
        CompareCommand::Chat(args) => chat::run(args, interrupt),
    }
}

/// Why a server takes no part.
enum Skipped {
    Interrupted,
    Because(String),
}

impl Skipped {
    fn unless<T>(found: Result<T, String>) -> Result<T, Self> {
        found.map_err(Self::Because)
    }
}

impl From<BenchError> for Skipped {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Interrupted => Self::Interrupted,
            other => Self::Because(other.to_string()),
        }
    }
}

impl Comparison {
    /// Starts the servers that can be found and started, and notes why others take no part.
    fn start_all<T>(
        &mut self,
        servers: &[Server],
        find: impl Fn(Server) -> Result<Program, String>,
        mut start: impl FnMut(Program) -> Result<T, BenchError>,
    ) -> Result<Vec<T>, BenchError> {
        let mut all = Vec::new();
        for server in servers {
            let started = Skipped::unless(find(*server)).and_then(|program| {
                let started = start(program.clone()).map_err(Skipped::from)?;
                Ok((program, started))
            });
            match started {
                Ok((program, started)) => {
                    self.programs.push(program);
                    all.push(started);
                }
                Err(Skipped::Interrupted) => return Err(BenchError::Interrupted),
                Err(Skipped::Because(reason)) => {
                    eprintln!("{} is left out: {reason}", server.name());
                    self.skipped.push((*server, reason));
                }
            }
        }
        Ok(all)
    }
}

/// Measures all rows at all servers, `rounds` times, by `measure(row, server)`.
fn take_turns(
    comparison: &mut Comparison,
    servers: usize,
    mut measure: impl FnMut(usize, usize) -> Result<Sample, BenchError>,
) -> Result<(), BenchError> {
    for round in 0..comparison.rounds as usize {
        for index in 0..comparison.outcomes.len() {
            for turn in 0..servers {
                let place = (turn + round + index) % servers;
                let server = comparison.programs[place].server;
                let outcome = &mut comparison.outcomes[index];
                if !outcome.row.group.is_for(server) {
                    continue;
                }
                eprint!("round {} {:<18} {:<10}", round + 1, outcome.row.id, server.name());
                match measure(index, place) {
                    Ok(sample) => {
                        eprintln!("{:>10.2} {}", sample.value, outcome.row.unit.sign());
                        outcome.add(server, sample);
                    }
                    Err(BenchError::Interrupted) => return Err(BenchError::Interrupted),
                    Err(error) => {
                        eprintln!("{error}");
                        outcome.fail(server, error.to_string());
                    }
                }
            }
        }
    }
    Ok(())
}

fn beside_this_program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().unwrap_or(Path::new(".")).join("whimbrel")
}
