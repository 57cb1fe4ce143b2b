//! What a comparison found: medians, the best peer, ratios, and whether the goals are met.

use std::time::Duration;

use crate::stats;

use super::cells::Sample;
use super::machine::Machine;
use super::peers::{Program, Server};
use super::rows::{Goal, Group, PACED_MEDIAN_RATIO_MAX, Row, Unit};

/// A whole run.
#[derive(Debug)]
pub struct Comparison {
    pub machine: Machine,
    pub rounds: u32,
    pub duration: Duration,
    /// h2load drove HTTP/2, else this program's own client.
    pub h2load: bool,
    /// The servers that ran.
    pub programs: Vec<Program>,
    /// Those that did not, and why.
    pub skipped: Vec<(Server, String)>,
    pub outcomes: Vec<RowOutcome>,
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
    pub fn new(rows: &[&'static Row], rounds: u32, duration: Duration, machine: Machine) -> Self {
        let outcomes = rows.iter().map(|row| RowOutcome::new(row)).collect();
        Self {
            machine,
            rounds,
            duration,
            h2load: false,
            programs: Vec::new(),
            skipped: Vec::new(),
            outcomes,
        }
    }

    /// The servers that ran, Whimbrel first.
    pub fn servers(&self) -> Vec<Server> {
        self.programs.iter().map(|program| program.server).collect()
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

    /// The peer with the least median.
    pub fn best_peer(&self) -> Option<(Server, f64)> {
        let peers = Server::ALL.into_iter().filter(|server| *server != Server::Whimbrel);
        let medians = peers.filter_map(|peer| Some((peer, self.median(peer)?)));
        medians.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Whimbrel's median by that of the peer it is held against: the best, or the goal's own.
    pub fn ratio(&self) -> Option<f64> {
        if self.row.unit == Unit::PercentMore {
            return None;
        }
        let theirs = match self.row.goal {
            Goal::Peer(peer, _) => self.median(peer),
            _ => self.best_peer().map(|(_, value)| value),
        };
        stats::ratio(self.median(Server::Whimbrel), theirs)
    }

    /// Is the goal reached?
    pub fn verdict(&self) -> Verdict {
        let (reached, allowed) = match self.row.goal {
            Goal::None => return Verdict::NoGoal,
            Goal::BestPeer(most) | Goal::Peer(_, most) => (self.ratio(), most),
            Goal::Value(most) => (self.median(Server::Whimbrel), most),
        };
        match reached {
            None => Verdict::Unknown,
            Some(value) if value <= allowed => Verdict::Met,
            Some(_) => Verdict::Missed,
        }
    }

    fn values(&self, server: Server, figure: fn(&Sample) -> Option<f64>) -> Vec<f64> {
        let own = self.samples.iter().filter(|(other, _)| *other == server);
        own.filter_map(|(_, sample)| figure(sample)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::ROWS;
    use super::*;

    /// Whimbrel's and the peers' samples of a row, and what must come out.
    fn check(id: &str, samples: &[(Server, &[f64])], ratio: Option<f64>, verdict: Verdict) {
        let row = ROWS.iter().find(|row| row.id == id).unwrap();
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
}
