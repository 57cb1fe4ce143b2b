//! The `whimbrel-bench` command: load, memory and side-by-side measurements of HTTP and XMPP servers.

mod chat;
mod compare;
mod cpu;
mod error;
mod h1;
mod h2;
mod http;
mod idle;
mod latency;
mod link;
mod load;
mod pacing;
mod poller;
mod process;
mod report;
mod size;
mod stats;
mod tls;
mod xmpp;
mod zipf;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use error::BenchError;
use load::Interrupt;

/// The load tool of Whimbrel; any server may be its target.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Put load on HTTP addresses and report rate, latency and errors.
    Http(http::HttpArgs),
    /// Open connections that do nothing and report the server's memory for each.
    Idle(idle::IdleArgs),
    /// Have users talk, or log in, at an XMPP server, and report rate, latency and faults.
    Chat(chat::ChatArgs),
    /// Start servers side by side, measure them in turns, and report.
    #[command(subcommand)]
    Compare(compare::CompareCommand),
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("whimbrel-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), BenchError> {
    let interrupt = Interrupt::default();
    raise_on_signal(interrupt.clone())?;
    match &cli.command {
        Command::Http(args) => http::run(args, &interrupt),
        Command::Chat(args) => chat::run(args, &interrupt),
        Command::Idle(args) => idle::run(args, &interrupt),
        Command::Compare(command) => compare::run(command, &interrupt),
    }
}

/// Turns SIGINT and SIGTERM into a raised interrupt, so that servers and files are cleaned up.
fn raise_on_signal(interrupt: Interrupt) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("starting the signal thread"))?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut int), Ok(mut term)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            tokio::select! { _ = int.recv() => {}, _ = term.recv() => {} }
            interrupt.raise();
        });
    });
    Ok(())
}
