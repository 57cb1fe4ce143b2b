//! The comparison as its section of `benches/RESULTS.md`.

use std::fmt::Write;

use crate::compare::{Comparison, Group, RowOutcome, Server, Unit};

use super::{fact_of, held_against, remarks, shown_goal, shown_median, shown_ratio, shown_verdict};

/// The whole section.
pub fn render(comparison: &Comparison) -> String {
    let mut text = format!("## {}\n\n", comparison.subject.heading);
    text.push_str(&provenance(comparison));
    push_facts(&mut text, comparison);
    for group in comparison.groups() {
        let outcomes: Vec<&RowOutcome> = comparison.group(group).collect();
        push(&mut text, format_args!("\n### {}\n\n", group.title()));
        push_table(&mut text, comparison, &outcomes);
        if let Some((median, verdict)) = comparison.paced_median().filter(|_| group == Group::Paced)
        {
            let verdict = shown_verdict(verdict);
            push(&mut text, format_args!("\nMedian of the ratios: {median:.2} ({verdict}).\n"));
        }
    }
    push_time_table(&mut text, comparison);
    text.push_str("\n### How to read this\n\n");
    for remark in remarks(comparison) {
        push(&mut text, format_args!("- {}\n", on_one_line(&remark)));
    }
    text
}

fn provenance(comparison: &Comparison) -> String {
    let machine = &comparison.machine;
    let mut text = format!(
        "Written by `{}` on {}.\n\n{}, {} cores, Linux {}; load average before the run {}.\n",
        machine.command, machine.date, machine.cpu, machine.cores, machine.kernel, machine.load
    );
    let versions = comparison.programs.iter().map(|program| program.version.as_str());
    push(&mut text, format_args!("{}.\n", versions.collect::<Vec<_>>().join(", ")));
    text
}

fn push_facts(text: &mut String, comparison: &Comparison) {
    if comparison.facts.is_empty() {
        return;
    }
    let servers = comparison.servers();
    let names = servers.iter().map(|server| format!(" {} |", server.name())).collect::<String>();
    push(text, format_args!("\n| |{names}\n|---|{}\n", "---|".repeat(servers.len())));
    for fact in &comparison.facts {
        push(text, format_args!("| {} |", fact.title));
        for server in &servers {
            push(text, format_args!(" {} |", fact_of(fact, *server)));
        }
        text.push('\n');
    }
}

fn push_table(text: &mut String, comparison: &Comparison, outcomes: &[&RowOutcome]) {
    let servers = comparison.servers();
    let names = servers.iter().map(|server| format!(" {} |", server.name())).collect::<String>();
    push(text, format_args!("| | unit |{names} ratio | to | target | |\n"));
    push(text, format_args!("|---|---|{}---|---|---|---|\n", "---:|".repeat(servers.len())));
    for outcome in outcomes {
        let row = outcome.row;
        push(text, format_args!("| {} | {} |", row.title, row.unit.sign()));
        for server in &servers {
            push(
                text,
                format_args!(" {}{} |", shown_median(outcome, *server), spread(outcome, *server)),
            );
        }
        push(
            text,
            format_args!(
                " {} | {} | {} | {} |\n",
                shown_ratio(comparison, outcome),
                held_against(comparison, outcome),
                shown_goal(outcome),
                shown_verdict(outcome.verdict())
            ),
        );
    }
}

/// Half the distance between the extremes, in percent of the median: how far to trust it. A value
/// that is itself a difference may be about nothing; its spread is told as it is.
fn spread(outcome: &RowOutcome, server: Server) -> String {
    let (Some(median), Some((least, greatest))) =
        (outcome.median(server), outcome.extremes(server))
    else {
        return String::new();
    };
    if least == greatest {
        return String::new();
    }
    if outcome.row.unit == Unit::PercentMore {
        return format!(" ±{:.1}", (greatest - least) / 2.0);
    }
    if median <= 0.0 {
        return String::new();
    }
    format!(" ±{:.0} %", (greatest - least) / 2.0 / median * 100.0)
}

/// Where the time goes: the kernel's part is a floor that no server can lower by itself.
fn push_time_table(text: &mut String, comparison: &Comparison) {
    let servers = comparison.servers();
    let names = servers.iter().map(|server| format!(" {} |", server.name())).collect::<String>();
    text.push_str("\n### Where the time goes\n\nUser time in percent of the server's CPU time; ");
    text.push_str("the rest is the kernel's (network, files, scheduling). In brackets what was ");
    text.push_str("served per second meanwhile (GiB where the unit is per GiB).\n\n");
    push(text, format_args!("| |{names}\n|---|{}\n", "---:|".repeat(servers.len())));
    for outcome in &comparison.outcomes {
        let cells = servers.iter().map(|server| {
            let share = outcome.median_of(*server, |sample| sample.user_share)?;
            let rate = outcome.median_of(*server, |sample| sample.per_second)?;
            let rate = if rate < 100.0 { format!("{rate:.2}") } else { format!("{rate:.0}") };
            Some(format!("{:.0} % ({rate})", share * 100.0))
        });
        let cells: Vec<Option<String>> = cells.collect();
        if cells.iter().all(Option::is_none) {
            continue;
        }
        let group = outcome.row.group.title();
        push(text, format_args!("| {group}: {} |", outcome.row.title));
        for cell in cells {
            push(text, format_args!(" {} |", cell.as_deref().unwrap_or("–")));
        }
        text.push('\n');
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}
