//! Cells of rooms and of encrypted groups. One measurement gives the figures of several rows.

use std::cell::RefCell;

use crate::chat::encrypted::{self, Cost, EncryptedSpec};
use crate::chat::rooms::{self, Protocol, RoomsSpec};
use crate::chat::{Composer, STANZA_BYTES};
use crate::cpu::CpuTime;
use crate::error::BenchError;
use crate::load::Moment;
use crate::xmpp::Transport;

use super::super::outcome::Sample;
use super::super::server::Server;
use super::cells::{self, Setup};
use super::peers::{ChatServer, Home};
use super::rows::{EncryptedFigure, Kind, RoomFigure, RoomSize};

/// Figures that were found with others, and which no row has told yet.
#[derive(Debug, Default)]
pub struct Found(RefCell<Vec<(Server, Kind, Sample)>>);

impl Found {
    /// The figure of a row, once; if it is not there, all are measured anew.
    ///
    /// # Errors
    /// Those of the measurement.
    pub fn take_or(
        &self,
        server: Server,
        kind: Kind,
        measure: impl FnOnce() -> Result<Vec<(Kind, Sample)>, BenchError>,
    ) -> Result<Sample, BenchError> {
        if let Some(sample) = self.take(server, kind) {
            return Ok(sample);
        }
        for (kind, sample) in measure()? {
            self.take(server, kind);
            self.0.borrow_mut().push((server, kind, sample));
        }
        let detail = "its measurement has no such figure".to_owned();
        self.take(server, kind).ok_or(BenchError::Option { option: "rows", detail })
    }

    fn take(&self, server: Server, kind: Kind) -> Option<Sample> {
        let mut found = self.0.borrow_mut();
        let place = found.iter().position(|(other, of, _)| (*other, *of) == (server, kind))?;
        Some(found.swap_remove(place).2)
    }
}

/// All figures of rooms of one size.
///
/// # Errors
/// Messages were lost, a room was refused, the server is gone, or the run was interrupted.
pub fn measure_rooms(
    setup: &Setup<'_>,
    home: &Home,
    server: &ChatServer,
    size: RoomSize,
) -> Result<Vec<(Kind, Sample)>, BenchError> {
    let is_ours = home.program.server == Server::Whimbrel;
    let spec = RoomsSpec {
        endpoint: server.endpoint(Transport::Plain)?,
        accounts: home.accounts[..size.rooms * size.members].to_vec(),
        protocol: if is_ours { Protocol::Groups } else { Protocol::Muc },
        rooms: size.rooms,
        members: size.members,
        composer: Composer { stanza_bytes: STANZA_BYTES, no_store: false },
        sasl2: true,
        mechanism: None,
        warm_up: setup.warm_up,
        duration: setup.duration,
    };
    let mut readings = Vec::with_capacity(2);
    let report = rooms::run(&spec, setup.interrupt, &mut |_: Moment| {
        readings.push(CpuTime::of_tree(server.pid()));
    })?;
    let delivered = &report.delivered;
    delivered.check()?;
    let used = cells::used(readings, delivered.elapsed)?;
    let sample =
        |value| Sample { value, user_share: used.user_share(), per_second: Some(delivered.rate()) };
    let last_ms = |quantile| Sample {
        value: report.last_ns.value_at_quantile(quantile) as f64 / 1e6,
        ..Sample::default()
    };
    let kind = |figure| Kind::Rooms { size, figure };
    Ok(vec![
        (kind(RoomFigure::Copy), sample(used.total_ns as f64 / 1e3 / delivered.count as f64)),
        (kind(RoomFigure::Last50), last_ms(0.5)),
        (kind(RoomFigure::Last99), last_ms(0.99)),
    ])
}

/// All figures of an encrypted group.
///
/// # Errors
/// The server refuses something or is gone, or the run was interrupted.
pub fn measure_encrypted(
    setup: &Setup<'_>,
    home: &Home,
    server: &ChatServer,
) -> Result<Vec<(Kind, Sample)>, BenchError> {
    let spec = EncryptedSpec {
        endpoint: server.endpoint(Transport::Plain)?,
        accounts: home.accounts[..encrypted::ACCOUNTS].to_vec(),
        mechanism: None,
        server: server.pid(),
    };
    let report = encrypted::run(&spec, setup.interrupt)?;
    let plain = |value| Sample { value, ..Sample::default() };
    let cpu = |cost: &Cost| plain(cost.cpu_ms());
    let answer = |cost: &Cost| plain(cost.answer_ms());
    let figures = [
        (EncryptedFigure::Claim, cpu(&report.claim)),
        (EncryptedFigure::ClaimAnswer, answer(&report.claim)),
        (EncryptedFigure::Add, cpu(&report.add)),
        (EncryptedFigure::AddMessages, plain(report.messages_of_add as f64)),
        (EncryptedFigure::Commit, cpu(&report.commit)),
        (EncryptedFigure::CommitAnswer, answer(&report.commit)),
        (EncryptedFigure::CommitToAll, cpu(&report.commit_to_all)),
    ];
    Ok(figures.into_iter().map(|(figure, sample)| (Kind::Encrypted(figure), sample)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_has_figures_of_its_own() {
        let (found, measured) = (Found::default(), std::cell::Cell::new(0.0));
        let kinds = [EncryptedFigure::Claim, EncryptedFigure::Add].map(Kind::Encrypted);
        let take = |server, kind| {
            let sample = found.take_or(server, kind, || {
                measured.set(measured.get() + 1.0);
                let sample = Sample { value: measured.get(), ..Sample::default() };
                Ok(kinds.map(|kind| (kind, sample)).to_vec())
            });
            sample.unwrap().value
        };
        let (ours, other) = (Server::Whimbrel, Server::Ejabberd);
        let rounds =
            [(ours, 0), (other, 0), (ours, 1), (other, 1), (ours, 1), (ours, 0), (ours, 1)];
        let values = rounds.map(|(server, kind)| take(server, kinds[kind]));
        // The last but one is of the round in which only the second figure was wanted.
        assert_eq!(values, [1.0, 2.0, 1.0, 2.0, 3.0, 3.0, 4.0]);
    }
}
