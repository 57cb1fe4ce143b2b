//! What a comparison found: medians, the best peer, ratios, and whether the goals are met.

use std::time::Duration;

use crate::stats;

use super::machine::Machine;
use super::rows::{Goal, Group, Row, Unit};
use super::server::{Program, Server};

/// What one cell showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// In the row's unit.
    pub value: f64,
    /// The part of the server's CPU time that was not the kernel's, 0 to 1.
    pub user_share: Option<f64>,
    /// Answers, messages or logins per second, or GiB/s where the unit is per GiB.
    pub per_second: Option<f64>,
}

/// A whole run.
#[derive(Debug)]
pub struct Comparison {
    pub subject: Subject,
    pub machine: Machine,
    pub rounds: u32,
    pub duration: Duration,
    /// What the numbers are, and what they are not.
    pub remarks: Vec<String>,
    /// What must be known of each server beside its numbers.
    pub facts: Vec<Fact>,
    /// The servers that ran.
    pub programs: Vec<Program>,
    /// Those that did not, and why.
    pub skipped: Vec<(Server, String)>,
    pub outcomes: Vec<RowOutcome>,
}

/// What is compared, in the words of the reports.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// The heading of its section in `RESULTS.md`, by which it is found again.
    pub heading: &'static str,
    pub lead: &'static str,
    /// Whimbrel is set against each peer, not against the best alone.
    pub against_each: bool,
}

/// A property of the servers, in words.
#[derive(Clone, Debug)]
pub struct Fact {
    pub title: &'static str,
    pub of: Vec<(Server, &'static str)>,
}

/// A row's samples of all servers.
#[derive(Debug)]
pub struct RowOutcome {
    pub row: &'static Row,
    samples: Vec<(Server, Sample)>,
    pub failures: Vec<(Server, String)>,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Met,
    Missed,
    /// The row has no goal.
    NoGoal,
    /// Whimbrel or the peer it is held against was not measured.
    Unknown,
}

impl Comparison {
    /// A run without samples yet.
    pub fn new(
        subject: Subject,
        rows: impl Iterator<Item = &'static Row>,
        rounds: u32,
        duration: Duration,
    ) -> Self {
        let outcomes = rows.map(RowOutcome::new).collect();
        Self {
            subject,
            machine: Machine::read(),
            rounds,
            duration,
            remarks: Vec::new(),
            facts: Vec::new(),
            programs: Vec::new(),
            skipped: Vec::new(),
            outcomes,
        }
    }

    /// The servers that ran, Whimbrel first.
    pub fn servers(&self) -> Vec<Server> {
        self.programs.iter().map(|program| program.server).collect()
    }

    /// The groups that have rows, in their order.
    pub fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> =
            self.outcomes.iter().map(|outcome| outcome.row.group).collect();
        groups.dedup();
        groups
    }

    /// The rows of a group.
    pub fn group(&self, group: Group) -> impl Iterator<Item = &RowOutcome> {
        self.outcomes.iter().filter(move |outcome| outcome.row.group == group)
    }

    /// The median ratio of the paced rows, and whether it is low enough.
    pub fn paced_median(&self) -> Option<(f64, Verdict)> {
        let ratios: Vec<f64> = self.group(Group::Paced).filter_map(RowOutcome::ratio).collect();
        let median = stats::median(&ratios)?;
        let met = median <= PACED_MEDIAN_RATIO_MAX;
        Some((median, if met { Verdict::Met } else { Verdict::Missed }))
    }
}

impl RowOutcome {
    fn new(row: &'static Row) -> Self {
        Self { row, samples: Vec::new(), failures: Vec::new() }
    }

    /// Notes a sample.
    pub fn add(&mut self, server: Server, sample: Sample) {
        self.samples.push((server, sample));
    }

    /// Notes why there is none.
    pub fn fail(&mut self, server: Server, reason: String) {
        self.failures.push((server, reason));
    }

    /// The median value of a server.
    pub fn median(&self, server: Server) -> Option<f64> {
        self.median_of(server, |sample| Some(sample.value))
    }

    /// The least and greatest value of a server.
    pub fn extremes(&self, server: Server) -> Option<(f64, f64)> {
        stats::extremes(&self.values(server, |sample| Some(sample.value)))
    }

    /// The median of another figure of the samples.
    pub fn median_of(&self, server: Server, figure: fn(&Sample) -> Option<f64>) -> Option<f64> {
        stats::median(&self.values(server, figure))
    }

    /// The peer with the best median.
    pub fn best_peer(&self) -> Option<(Server, f64)> {
        let medians = self.peers().into_iter().filter_map(|peer| Some((peer, self.median(peer)?)));
        medians.min_by(|one, other| self.row.unit.order(one.1, other.1))
    }

    /// Whimbrel's median by that of the peer it is held against: the best, or the goal's own.
    pub fn ratio(&self) -> Option<f64> {
        self.ratio_to(self.held_against()?)
    }

    /// The peer that counts for the ratio.
    pub fn held_against(&self) -> Option<Server> {
        let named = self.row.goals.iter().find_map(|goal| match goal {
            Goal::Peer(peer, _) => Some(*peer),
            _ => None,
        });
        named.or_else(|| self.best_peer().map(|(peer, _)| peer))
    }

    /// Whimbrel's median by that of one peer.
    pub fn ratio_to(&self, peer: Server) -> Option<f64> {
        if self.row.unit == Unit::PercentMore {
            return None;
        }
        stats::ratio(self.median(Server::Whimbrel), self.median(peer))
    }

    /// Are all goals reached?
    pub fn verdict(&self) -> Verdict {
        let verdicts: Vec<Verdict> =
            self.row.goals.iter().map(|goal| self.verdict_of(*goal)).collect();
        let order = [Verdict::Missed, Verdict::Unknown, Verdict::Met];
        order.into_iter().find(|verdict| verdicts.contains(verdict)).unwrap_or(Verdict::NoGoal)
    }

    fn verdict_of(&self, goal: Goal) -> Verdict {
        let ours = self.median(Server::Whimbrel);
        let met = match goal {
            Goal::BestPeer(most) => self.ratio().map(|ratio| ratio <= most),
            Goal::Peer(peer, most) => self.ratio_to(peer).map(|ratio| ratio <= most),
            Goal::Value(most) => ours.map(|value| value <= most),
            Goal::AtLeast(least) => ours.map(|value| value >= least),
        };
        match met {
            None => Verdict::Unknown,
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
        }
    }

    /// The peers that have samples.
    fn peers(&self) -> Vec<Server> {
        let mut peers: Vec<Server> = Vec::new();
        for (server, _) in &self.samples {
            if *server != Server::Whimbrel && !peers.contains(server) {
                peers.push(*server);
            }
        }
        peers
    }

    fn values(&self, server: Server, figure: fn(&Sample) -> Option<f64>) -> Vec<f64> {
        let own = self.samples.iter().filter(|(other, _)| *other == server);
        own.filter_map(|(_, sample)| figure(sample)).collect()
    }
}

/// The median of the paced rows' ratios must be this or less.
const PACED_MEDIAN_RATIO_MAX: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::super::chat::rows::ROWS as CHAT_ROWS;
    use super::super::http::rows::ROWS as HTTP_ROWS;
    use super::*;

    /// Whimbrel's and the peers' samples of a row, and what must come out.
    fn check(id: &str, samples: &[(Server, &[f64])], ratio: Option<f64>, verdict: Verdict) {
        let rows = HTTP_ROWS.iter().map(|row| &row.row).chain(CHAT_ROWS.iter().map(|row| &row.row));
        let row = rows.into_iter().find(|row| row.id == id).unwrap();
        let mut outcome = RowOutcome::new(row);
        for (server, values) in samples {
            for value in *values {
                outcome.add(*server, Sample { value: *value, ..Sample::default() });
            }
        }
        assert_eq!(outcome.ratio(), ratio, "{id}");
        assert_eq!(outcome.verdict(), verdict, "{id}");
    }

    #[test]
    fn held_against_the_best_peer() {
        let peers: [(Server, &[f64]); 2] =
            [(Server::Nginx, &[11.0, 10.0, 12.0]), (Server::Lighttpd, &[8.0, 8.0, 99.0])];
        let with = |ours: &'static [f64]| [[(Server::Whimbrel, ours)].as_slice(), &peers].concat();
        check("h1-1k", &with(&[6.0, 4.0, 900.0]), Some(0.75), Verdict::Met);
        check("h1-1k", &with(&[8.0]), Some(1.0), Verdict::Missed);
        check("h1-100m", &with(&[8.0]), Some(1.0), Verdict::NoGoal);
        check("h1-1k", &peers, None, Verdict::Unknown);
    }

    #[test]
    fn held_against_one_peer() {
        let samples: [(Server, &[f64]); 3] =
            [(Server::Whimbrel, &[10.0]), (Server::Nginx, &[10.0]), (Server::H2o, &[3.0])];
        check("h2-1k", &samples, Some(1.0), Verdict::Met);
        check("h2-1k", &samples[..1], None, Verdict::Unknown);
    }

    #[test]
    fn held_against_a_value() {
        check("idle-plain", &[(Server::Whimbrel, &[1025.0])], None, Verdict::Missed);
        check("beside-idle", &[(Server::Whimbrel, &[-1.0])], None, Verdict::Met);
    }

    #[test]
    fn held_against_a_value_and_a_peer() {
        let all = |ours: f64| [(Server::Whimbrel, vec![ours]), (Server::Ejabberd, vec![100.0])];
        for (ours, verdict) in [(14.0, Verdict::Met), (15.5, Verdict::Missed)] {
            let samples = all(ours);
            let samples: Vec<(Server, &[f64])> =
                samples.iter().map(|(server, values)| (*server, values.as_slice())).collect();
            check("routed", &samples, Some(ours / 100.0), verdict);
        }
        check("routed", &[(Server::Whimbrel, &[14.0])], None, Verdict::Unknown);
        check("routed", &[(Server::Whimbrel, &[16.0])], None, Verdict::Missed);
    }

    #[test]
    fn more_is_better_for_a_rate() {
        let samples: [(Server, &[f64]); 3] = [
            (Server::Whimbrel, &[12_000.0]),
            (Server::Ejabberd, &[600.0]),
            (Server::Prosody, &[400.0]),
        ];
        check("throughput", &samples, Some(20.0), Verdict::Met);
        check("throughput", &[(Server::Whimbrel, &[9_000.0])], None, Verdict::Missed);
    }
}
