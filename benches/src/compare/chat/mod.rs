//! `whimbrel-bench compare chat`: messages, logins, idle sessions and groups, beside ejabberd and
//! Prosody.

mod admin;
mod cells;
mod chapters;
mod groups;
mod peers;
pub mod rows;

use std::path::PathBuf;

use clap::Args;

use crate::error::BenchError;
use crate::load::Interrupt;

use super::CommonArgs;
use super::outcome::{Comparison, Fact};
use cells::{Setup, USERS};
use chapters::{CHAPTERS, Chapter};
use groups::Found;
use peers::{Home, Workplace};
use rows::{ChatRow, Kind};

/// What `compare chat` takes.
#[derive(Args, Debug)]
pub struct CompareChatArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Idle sessions, at the most
    #[arg(long, default_value_t = 15_000)]
    sessions: usize,
    /// Accounts at each server for idle sessions; where there are fewer than sessions, accounts
    /// have several
    #[arg(long, default_value_t = 15_000)]
    accounts: usize,
    /// The folder where the HTML reports go
    #[arg(long, default_value = "target")]
    html: PathBuf,
}

/// Runs the comparison, chapter by chapter, and writes each one's reports.
///
/// # Errors
/// No server can be started, the reports cannot be written, or the run was interrupted.
pub fn run(args: &CompareChatArgs, interrupt: &Interrupt) -> Result<(), BenchError> {
    let rows = args.common.choose(rows::ROWS, |row| &row.row)?;
    for chapter in &CHAPTERS {
        let rows = chapter.rows(&rows);
        if !rows.is_empty() {
            let comparison = compare(args, chapter, &rows, interrupt)?;
            args.common
                .report(&comparison, &args.html.join(format!("compare-{}.html", chapter.name)))?;
        }
    }
    Ok(())
}

fn compare(
    args: &CompareChatArgs,
    chapter: &Chapter,
    rows: &[&'static ChatRow],
    interrupt: &Interrupt,
) -> Result<Comparison, BenchError> {
    let common = &args.common;
    let descriptors = common.prepare()?;
    let wanted = args.sessions as u64 + DESCRIPTORS_SPARE;
    let has_idle = rows.iter().any(|row| matches!(row.kind, Kind::Idle(_)));
    if has_idle && wanted > descriptors {
        return Err(BenchError::Descriptors { wanted, limit: descriptors });
    }
    let of_rows = rows.iter().map(|row| chapters::accounts_of(row)).max().unwrap_or(USERS);
    let accounts = if has_idle { args.accounts.min(args.sessions).max(of_rows) } else { of_rows };
    let whimbrel = common.whimbrel();
    let place = Workplace::create()?;
    let setup = Setup {
        server_core: common.server_cpu,
        duration: common.seconds.0,
        warm_up: common.warm_up.0,
        sessions: args.sessions,
        found: Found::default(),
        interrupt,
    };
    let heads = rows.iter().map(|row| &row.row);
    let mut comparison = Comparison::new(chapter.subject, heads, common.rounds, common.seconds.0);
    comparison.remarks = chapter.remarks.iter().map(|remark| (*remark).to_owned()).collect();
    if has_idle {
        comparison.remarks.push(memory_remark(args.sessions, accounts));
    }
    let title = "What an acknowledged message is";
    comparison.facts = vec![Fact { title, of: peers::DURABILITY.to_vec() }];
    let find = |server| peers::find(server, &whimbrel);
    let servers = comparison.start_all(&peers::SERVERS, find, |program| {
        eprintln!("{}: {accounts} accounts", program.server.name());
        let core = common.server_cpu;
        let home = Home::prepare(program, &place, accounts, core, interrupt)?;
        let running = home.start(core, interrupt)?;
        Ok((home, running))
    })?;
    super::take_turns(&mut comparison, servers.len(), |row, server| {
        let (home, running) = &servers[server];
        cells::measure(&setup, rows[row], home, running)
    })?;
    Ok(comparison)
}

fn memory_remark(sessions: usize, accounts: usize) -> String {
    format!(
        "Memory is the slope of RSS up to {sessions} sessions, logged in and available, over \
         {accounts} accounts, at a fresh process."
    )
}

const DESCRIPTORS_SPARE: u64 = 500;
