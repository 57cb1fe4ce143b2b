//! Bars as inline SVG: a block per row, a bar per server, whiskers from least to greatest.

use std::fmt::Write;

use crate::compare::{Comparison, Goal, RowOutcome, Server};

use super::shown;

/// One figure for the rows of a group. Each row has its own scale: units and sizes differ.
pub fn bars(comparison: &Comparison, outcomes: &[&RowOutcome]) -> String {
    let mut body = String::new();
    let mut y = 0.0;
    for outcome in outcomes {
        y = push_block(&mut body, comparison, outcome, y);
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {y}\" role=\"img\" aria-label=\"Bars: a row for each \
         measurement, a bar for each server\">{body}</svg>\n"
    )
}

/// Draws one row below `top`, and returns where it ends.
fn push_block(body: &mut String, comparison: &Comparison, outcome: &RowOutcome, top: f64) -> f64 {
    let servers: Vec<Server> = comparison.servers();
    let greatest = servers.iter().filter_map(|server| outcome.extremes(*server)).map(|e| e.1);
    let scale_max = greatest.chain(goal_values(outcome)).fold(f64::MIN_POSITIVE, f64::max);
    let place = |value: f64| LEFT + value.max(0.0) / scale_max * (RIGHT - LEFT);
    push(
        body,
        format_args!(
            "<text x=\"0\" y=\"{:.1}\"><tspan class=\"row\">{}</tspan> \
             <tspan class=\"unit\" dx=\"4\">{}</tspan></text>",
            top + TITLE - 6.0,
            outcome.row.title,
            outcome.row.unit.sign()
        ),
    );
    let mut y = top + TITLE;
    // Numbers come last: they stay legible where the target's line crosses them.
    let mut labels = String::new();
    for server in servers {
        push_bar(body, &mut labels, outcome, server, y, &place);
        y += BAR_PITCH;
    }
    for goal in goal_values(outcome) {
        let x = place(goal);
        push(
            body,
            format_args!(
                "<line class=\"goal\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\">\
                 <title>target: {}</title></line>",
                top + TITLE - 3.0,
                y + 1.0,
                shown(goal)
            ),
        );
    }
    body.push_str(&labels);
    y + BLOCK_GAP
}

fn push_bar(
    body: &mut String,
    labels: &mut String,
    outcome: &RowOutcome,
    server: Server,
    y: f64,
    place: &dyn Fn(f64) -> f64,
) {
    let name = server.name();
    let class = name.to_lowercase();
    push(
        body,
        format_args!(
            "<text class=\"server\" x=\"{}\" y=\"{:.1}\">{name}</text>",
            LEFT - 6.0,
            y + 10.0
        ),
    );
    let (Some(median), Some((least, greatest))) =
        (outcome.median(server), outcome.extremes(server))
    else {
        push(
            body,
            format_args!(
                "<text class=\"unit\" x=\"{LEFT}\" y=\"{:.1}\">not measured</text>",
                y + 10.0
            ),
        );
        return;
    };
    let end = place(median);
    push(
        body,
        format_args!(
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{BAR}\" \
             rx=\"2\"><title>{name}: {} ({} to {})</title></rect>",
            (end - LEFT).max(1.0),
            shown(median),
            shown(least),
            shown(greatest)
        ),
    );
    let middle = y + BAR / 2.0;
    push(
        body,
        format_args!(
            "<line class=\"whisker\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\"/>",
            place(least),
            place(greatest)
        ),
    );
    push(
        labels,
        format_args!(
            "<text class=\"value\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            place(greatest).max(end) + 6.0,
            y + 10.0,
            shown(median)
        ),
    );
}

/// What Whimbrel's bar must not pass (or, where more is better, must reach), in the row's unit.
fn goal_values(outcome: &RowOutcome) -> impl Iterator<Item = f64> + '_ {
    outcome.row.goals.iter().filter_map(|goal| match *goal {
        Goal::BestPeer(most) => outcome.best_peer().map(|(_, value)| value * most),
        Goal::Peer(peer, most) => outcome.median(peer).map(|value| value * most),
        Goal::Value(value) | Goal::AtLeast(value) => Some(value),
    })
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 700.0;
const BAR: f64 = 12.0;
const BAR_PITCH: f64 = 15.0;
const TITLE: f64 = 20.0;
const BLOCK_GAP: f64 = 10.0;
