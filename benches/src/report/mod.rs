//! A comparison as text, Markdown and HTML.

pub mod html;
pub mod markdown;
mod plot;
mod sections;
pub mod text;

use std::fs;
use std::io;
use std::path::Path;

use crate::compare::{self, Comparison, Fact, Goal, RowOutcome, Server, Unit, Verdict};
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

/// Puts a comparison into its own section of a Markdown file; all other sections stay.
///
/// # Errors
/// The file cannot be read or written.
pub fn write_section(path: &Path, comparison: &Comparison) -> Result<(), BenchError> {
    let before = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(BenchError::file(path)(error)),
    };
    let section = markdown::render(comparison);
    write(path, &sections::replace(&before, comparison.subject.heading, &section))
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

/// Whimbrel by each peer that counts, in the order of `held_against`.
fn shown_ratio(comparison: &Comparison, outcome: &RowOutcome) -> String {
    let ratios = held(comparison, outcome).into_iter().map(|peer| {
        outcome.ratio_to(peer).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
    });
    let ratios: Vec<String> = ratios.collect();
    if ratios.is_empty() { "–".to_owned() } else { ratios.join(" / ") }
}

/// What the row must reach, in words: a number in the row's unit, or times a peer's.
fn shown_goal(outcome: &RowOutcome) -> String {
    let goals = outcome.row.goals.iter().map(|goal| match (*goal, outcome.row.unit) {
        (Goal::BestPeer(most), _) => format!("≤ {most} of the best"),
        (Goal::Peer(peer, most), _) => format!("≤ {most} of {}", peer.name()),
        (Goal::Value(most), Unit::PercentMore) => format!("≤ {most} %"),
        (Goal::Value(most), _) => format!("≤ {most}"),
        (Goal::AtLeast(least), _) => format!("≥ {least}"),
    });
    let goals: Vec<String> = goals.collect();
    if goals.is_empty() { "–".to_owned() } else { goals.join(", ") }
}

fn shown_verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NoGoal => "",
        Verdict::Unknown => "not measured",
    }
}

/// For readers: what is held against whom.
fn held_against(comparison: &Comparison, outcome: &RowOutcome) -> String {
    let names = held(comparison, outcome).into_iter().map(Server::name);
    names.collect::<Vec<_>>().join(" / ")
}

fn held(comparison: &Comparison, outcome: &RowOutcome) -> Vec<Server> {
    if !comparison.subject.against_each {
        return outcome.held_against().into_iter().collect();
    }
    let peers = comparison.servers().into_iter().filter(|server| *server != Server::Whimbrel);
    peers.filter(|peer| outcome.median(*peer).is_some()).collect()
}

/// What is said of one server, beside its numbers.
fn fact_of(fact: &Fact, server: Server) -> &'static str {
    fact.of.iter().find(|(other, _)| *other == server).map_or("–", |(_, words)| *words)
}

/// The remarks under every report: what the numbers are, and what they are not.
fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut remarks = vec![format!(
        "Medians of {} of {:.1} s per cell; servers take turns within each row, in rotating \
         order.",
        if comparison.rounds == 1 {
            "1 round".to_owned()
        } else {
            format!("{} rounds", comparison.rounds)
        },
        comparison.duration.as_secs_f64(),
    )];
    remarks.extend(comparison.remarks.iter().cloned());
    for (server, reason) in &comparison.skipped {
        let reason = compare::without_folders(reason);
        remarks.push(format!("{} was left out: {reason}", server.name()));
    }
    for outcome in &comparison.outcomes {
        for (server, reason) in &outcome.failures {
            let reason = compare::without_folders(reason);
            let remark = format!("{} at {}: {reason}", outcome.row.id, server.name());
            // It is the same in each round, as a rule.
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
    }
    remarks
}
