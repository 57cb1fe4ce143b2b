//! The comparison on a terminal.

use crate::compare::{Comparison, Group, RowOutcome};

use super::{fact_of, held_against, shown_goal, shown_median, shown_ratio, shown_verdict};

/// Prints a table per group.
pub fn print(comparison: &Comparison) {
    for fact in &comparison.facts {
        println!("\n{}", fact.title);
        for server in comparison.servers() {
            println!("  {:<10} {}", server.name(), fact_of(fact, server));
        }
    }
    for group in comparison.groups() {
        let outcomes: Vec<&RowOutcome> = comparison.group(group).collect();
        println!("\n{}", group.title());
        print_table(comparison, &outcomes);
        if let Some((median, verdict)) = comparison.paced_median().filter(|_| group == Group::Paced)
        {
            println!("median of the paced ratios: {median:.2} ({})", shown_verdict(verdict));
        }
    }
    for (server, reason) in &comparison.skipped {
        println!("\n{} was left out: {reason}", server.name());
    }
}

fn print_table(comparison: &Comparison, outcomes: &[&RowOutcome]) {
    let mut lines = vec![header(comparison)];
    lines.extend(outcomes.iter().map(|outcome| line(comparison, outcome)));
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            // Words to the left, numbers to the right.
            if column < 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        println!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn header(comparison: &Comparison) -> Vec<String> {
    let mut header = vec!["row".to_owned(), "unit".to_owned()];
    header.extend(comparison.servers().iter().map(|server| server.name().to_owned()));
    header.extend(["ratio", "to", "target", ""].map(str::to_owned));
    header
}

fn line(comparison: &Comparison, outcome: &RowOutcome) -> Vec<String> {
    let mut line = vec![outcome.row.title.to_owned(), outcome.row.unit.sign().to_owned()];
    line.extend(comparison.servers().iter().map(|server| shown_median(outcome, *server)));
    line.extend([shown_ratio(comparison, outcome), held_against(comparison, outcome)]);
    line.push(shown_goal(outcome));
    line.push(shown_verdict(outcome.verdict()).to_owned());
    line
}
