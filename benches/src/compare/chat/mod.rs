//! `whimbrel-bench compare chat`: messages, logins and idle sessions, beside ejabberd and Prosody.

mod cells;
mod peers;
pub mod rows;

use std::path::PathBuf;

use clap::Args;

use crate::error::BenchError;
use crate::load::Interrupt;

use super::outcome::{Comparison, Fact, Subject};
use super::{CommonArgs, Skipped};
use cells::{Setup, USERS};
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
    /// Where the HTML report goes
    #[arg(long, default_value = "target/compare-chat.html")]
    html: PathBuf,
}

/// Runs the comparison and writes its reports.
///
/// # Errors
/// No server can be started, the reports cannot be written, or the run was interrupted.
pub fn run(args: &CompareChatArgs, interrupt: &Interrupt) -> Result<(), BenchError> {
    let common = &args.common;
    if common.list {
        super::list(rows::ROWS.iter().map(|row| &row.row));
        return Ok(());
    }
    let rows = rows::select(&common.rows);
    common.check_selection(rows.len())?;
    let comparison = compare(args, &rows, interrupt)?;
    common.report(&comparison, &args.html)
}

fn compare(
    args: &CompareChatArgs,
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
    let accounts = if has_idle { args.accounts.min(args.sessions).max(USERS) } else { USERS };
    let whimbrel = common.whimbrel();
    let place = Workplace::create()?;
    let setup = Setup {
        server_core: common.server_cpu,
        duration: common.seconds.0,
        warm_up: common.warm_up.0,
        sessions: args.sessions,
        interrupt,
    };
    let heads = rows.iter().map(|row| &row.row);
    let mut comparison = Comparison::new(SUBJECT, heads, common.rounds, common.seconds.0);
    comparison.remarks = remarks();
    if has_idle {
        comparison.remarks.push(memory_remark(args.sessions, accounts));
    }
    let title = "What an acknowledged message is";
    comparison.facts = vec![Fact { title, of: peers::DURABILITY.to_vec() }];
    let mut servers = Vec::new();
    for server in peers::SERVERS {
        eprintln!("{}: {accounts} accounts", server.name());
        let started = Skipped::unless(peers::find(server, &whimbrel)).and_then(|program| {
            let core = common.server_cpu;
            let home = Home::prepare(program, &place, accounts, core, interrupt)?;
            let running = home.start(core, interrupt)?;
            Ok((home, running))
        });
        servers.extend(comparison.join(server, started, |(home, _)| &home.program)?);
    }
    super::take_turns(&mut comparison, servers.len(), |row, server| {
        let (home, running) = &servers[server];
        cells::measure(&setup, rows[row], home, running)
    })?;
    Ok(comparison)
}

fn remarks() -> Vec<String> {
    vec![
        "CPU is the server's own, all its processes and threads, user and system, from the \
         kernel's process clock before and after. Server and client have a core each; logs are \
         off; loopback. ejabberd runs one scheduler without busy waiting."
            .to_owned(),
        "Messages: 200 users in pairs, each writing to the other, stanzas of 477 bytes. Every \
         copy is checked: received once, in order, from its sender; a run in which one is not \
         counts as failed. Routed: with the hint no-store, no stream management. Archived, \
         acknowledged, with carbons: two resources per user, each message followed by <r/>, the \
         next one sent when it is acknowledged and received. Messages per second: one resource \
         per user, four messages under way from each."
            .to_owned(),
        "Less is better everywhere but for messages/s. Latency is counted from the time at which \
         a message was due, whether the server kept up or not, at 1,000 per second over all users."
            .to_owned(),
        "A login is: connect, authenticate, bind a resource; then the stream is ended. The client \
         uses SASL2 and Bind 2 where they are offered (two round trips less). Neither peer's \
         packaged version offers FAST."
            .to_owned(),
    ]
}

fn memory_remark(sessions: usize, accounts: usize) -> String {
    format!(
        "Memory is the slope of RSS up to {sessions} sessions, logged in and available, over \
         {accounts} accounts, at a fresh process."
    )
}

const SUBJECT: Subject = Subject {
    heading: "Chat, beside ejabberd and Prosody",
    lead: "Chat over XMPP: the server’s own CPU time, latency and memory, measured in one run.",
    against_each: true,
};
const DESCRIPTORS_SPARE: u64 = 500;
