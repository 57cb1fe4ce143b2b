//! The comparison as one HTML file: no script, no address of another host, light and dark.

use std::fmt::Write;

use crate::compare::{Comparison, Group, RowOutcome, Server, Verdict};

use super::plot;
use super::{fact_of, held_against, remarks, shown_goal, shown_median, shown_ratio, shown_verdict};

/// The whole page.
pub fn render(comparison: &Comparison) -> String {
    let machine = &comparison.machine;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>Whimbrel beside its peers</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>Whimbrel beside its peers</h1>\n\
         <p class=\"lead\">{}</p>\n{}</header>\n<main>\n",
        comparison.subject.lead,
        tiles(comparison)
    );
    push_facts(&mut page, comparison);
    for group in comparison.groups() {
        let outcomes: Vec<&RowOutcome> = comparison.group(group).collect();
        push_section(&mut page, comparison, group, &outcomes);
    }
    page.push_str("<section><h2>How to read this</h2>\n<ul class=\"notes\">\n");
    for remark in remarks(comparison) {
        push(&mut page, format_args!("<li>{}</li>\n", escaped(&remark)));
    }
    page.push_str("</ul></section>\n</main>\n<footer>");
    for (name, value) in [
        ("Date", &machine.date),
        ("Command", &machine.command),
        ("CPU", &format!("{}, {} cores", machine.cpu, machine.cores)),
        ("Kernel", &format!("Linux {}", machine.kernel)),
        ("Load average before the run", &machine.load),
        ("Servers", &versions(comparison)),
    ] {
        push(&mut page, format_args!("<div><b>{name}</b> {}</div>\n", escaped(value)));
    }
    page.push_str("</footer>\n</body>\n</html>\n");
    page
}

/// The sum of it, to be seen at once.
fn tiles(comparison: &Comparison) -> String {
    let verdicts: Vec<Verdict> = comparison
        .outcomes
        .iter()
        .map(RowOutcome::verdict)
        .chain(comparison.paced_median().map(|(_, verdict)| verdict))
        .collect();
    let count = |verdict| verdicts.iter().filter(|other| **other == verdict).count();
    let (met, missed) = (count(Verdict::Met), count(Verdict::Missed));
    let mut tiles = String::from("<div class=\"tiles\">");
    let all = [
        ("met", met, "targets met"),
        ("missed", missed, "targets missed"),
        ("unknown", count(Verdict::Unknown), "not measured"),
    ];
    for (class, number, words) in all {
        if number > 0 || class == "met" {
            push(
                &mut tiles,
                format_args!("<div class=\"tile {class}\"><b>{number}</b>{words}</div>"),
            );
        }
    }
    tiles.push_str("<div class=\"legend\">");
    for server in comparison.servers() {
        let class = class_of(server);
        push(&mut tiles, format_args!("<span><i class=\"{class}\"></i>{}</span>", server.name()));
    }
    tiles.push_str("<span><i class=\"goal\"></i>Whimbrel’s target</span></div></div>\n");
    tiles
}

fn push_facts(page: &mut String, comparison: &Comparison) {
    if comparison.facts.is_empty() {
        return;
    }
    page.push_str("<section><h2>What each promises</h2>\n<table class=\"facts\">\n<tbody>\n");
    for fact in &comparison.facts {
        push(page, format_args!("<tr><td colspan=\"2\" class=\"unit\">{}</td></tr>\n", fact.title));
        for server in comparison.servers() {
            let words = escaped(fact_of(fact, server));
            push(page, format_args!("<tr><th>{}</th><td>{words}</td></tr>\n", server.name()));
        }
    }
    page.push_str("</tbody></table></section>\n");
}

fn push_section(
    page: &mut String,
    comparison: &Comparison,
    group: Group,
    outcomes: &[&RowOutcome],
) {
    push(page, format_args!("<section><h2>{}</h2>\n", group.title()));
    page.push_str("<figure>");
    page.push_str(&plot::bars(comparison, outcomes));
    page.push_str("</figure>\n<div class=\"scroll\"><table>\n<thead><tr><th></th><th>unit</th>");
    for server in comparison.servers() {
        push(page, format_args!("<th class=\"n\">{}</th>", server.name()));
    }
    page.push_str(
        "<th class=\"n\">ratio</th><th>to</th><th>target</th><th></th></tr></thead>\n<tbody>\n",
    );
    for outcome in outcomes {
        push_row(page, comparison, outcome);
    }
    if let Some((median, verdict)) = comparison.paced_median().filter(|_| group == Group::Paced) {
        push(
            page,
            format_args!(
                "<tr class=\"sum\"><th>median of the ratios</th><td></td>{}\
                 <td class=\"n\">{median:.2}</td><td></td><td>≤ 0.9</td><td>{}</td></tr>\n",
                "<td></td>".repeat(comparison.servers().len()),
                badge(verdict)
            ),
        );
    }
    page.push_str("</tbody></table></div></section>\n");
}

fn push_row(page: &mut String, comparison: &Comparison, outcome: &RowOutcome) {
    let best = outcome.best_peer().map(|(peer, _)| peer);
    push(
        page,
        format_args!(
            "<tr><th>{}</th><td class=\"unit\">{}</td>",
            outcome.row.title,
            outcome.row.unit.sign()
        ),
    );
    for server in comparison.servers() {
        let class = match server {
            Server::Whimbrel => "n own",
            peer if Some(peer) == best => "n best",
            _ => "n",
        };
        let spread = match outcome.extremes(server) {
            Some((least, greatest)) if least < greatest => {
                format!(" title=\"{least:.2} to {greatest:.2}\"")
            }
            _ => String::new(),
        };
        let median = shown_median(outcome, server);
        push(page, format_args!("<td class=\"{class}\"{spread}>{median}</td>"));
    }
    push(
        page,
        format_args!(
            "<td class=\"n\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            shown_ratio(comparison, outcome),
            held_against(comparison, outcome),
            shown_goal(outcome),
            badge(outcome.verdict())
        ),
    );
}

fn badge(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::Unknown => "unknown",
        Verdict::NoGoal => return String::new(),
    };
    format!("<span class=\"badge {class}\">{}</span>", shown_verdict(verdict))
}

fn versions(comparison: &Comparison) -> String {
    let versions = comparison.programs.iter().map(|program| program.version.as_str());
    versions.collect::<Vec<_>>().join(", ")
}

fn class_of(server: Server) -> String {
    server.name().to_lowercase()
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escaped("<a href=\"x\">&"), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }
}
