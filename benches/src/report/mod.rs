//! A comparison as text, Markdown and HTML.

pub mod html;
pub mod markdown;
mod plot;
pub mod text;

use std::fs;
use std::path::Path;

use crate::compare::{Comparison, Goal, RowOutcome, Server, Unit, Verdict};
use crate::error::BenchError;

/// Writes a report and says where.
///
/// # Errors
/// The folder cannot be made or the file not be written.
pub fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(BenchError::file(folder))?;
    }
    fs::write(path, text).map_err(BenchError::file(path))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// A value in its unit, with as many digits as it deserves.
fn shown(value: f64) -> String {
    match value.abs() {
        small if small < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn shown_median(outcome: &RowOutcome, server: Server) -> String {
    outcome.median(server).map_or_else(|| "–".to_owned(), shown)
}

fn shown_ratio(outcome: &RowOutcome) -> String {
    outcome.ratio().map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// What the row must reach, in words.
fn shown_goal(outcome: &RowOutcome) -> String {
    match (outcome.row.goal, outcome.row.unit) {
        (Goal::None, _) => "–".to_owned(),
        (Goal::BestPeer(most), _) => format!("≤ {most}"),
        (Goal::Peer(peer, most), _) => format!("≤ {most} of {}", peer.name()),
        (Goal::Value(most), Unit::PercentMore) => format!("≤ {most} %"),
        (Goal::Value(most), unit) => format!("≤ {most} {}", unit.sign()),
    }
}

fn shown_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NoGoal => "",
        Verdict::Unknown => "not measured",
    }
}

/// Names of the rows with an ordinary ratio, for readers: what is held against whom.
fn held_against(outcome: &RowOutcome) -> String {
    match outcome.row.goal {
        Goal::Peer(peer, _) => peer.name().to_owned(),
        _ => outcome.best_peer().map_or_else(String::new, |(peer, _)| peer.name().to_owned()),
    }
}

/// The remarks under every report: what the numbers are, and what they are not.
fn remarks(comparison: &Comparison) -> Vec<String> {
    let driver = match comparison.h2load {
        true => "h2load",
        false => "this program's own client",
    };
    let mut remarks = vec![
        format!(
            "Medians of {} rounds of {:.1} s per cell; servers take turns within each row, in \
             rotating order. Less is better everywhere.",
            comparison.rounds,
            comparison.duration.as_secs_f64(),
        ),
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
    ];
    for (server, reason) in &comparison.skipped {
        remarks.push(format!("{} was left out: {reason}", server.name()));
    }
    for outcome in &comparison.outcomes {
        for (server, reason) in &outcome.failures {
            remarks.push(format!("{} at {}: {reason}", outcome.row.id, server.name()));
        }
    }
    remarks
}
