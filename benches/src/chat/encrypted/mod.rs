//! An encrypted group of 500 leaves (docs/protocol/mls.md): what claims and commits cost the server.
//!
//! One device founds the group and commits; of the others it is enough that they have key packages,
//! and at the end that they are there.

mod devices;
mod wire;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mls_client::Changes;

use crate::cpu::CpuTime;
use crate::error::BenchError;
use crate::latency;
use crate::load::Interrupt;
use crate::xmpp::questions::{self, Question};
use crate::xmpp::{Account, Endpoint, Event, Mechanism, find};

use super::rooms::gathering;
use devices::{FOUNDER, Party};

/// Everything that defines a run.
#[derive(Clone, Debug)]
pub struct EncryptedSpec {
    pub endpoint: Endpoint,
    /// [`ACCOUNTS`] of them.
    pub accounts: Vec<Account>,
    pub mechanism: Option<Mechanism>,
    /// The server's process.
    pub server: u32,
}

/// What something cost, done several times.
#[derive(Debug)]
pub struct Cost {
    pub cpu: CpuTime,
    pub count: u64,
    /// From the request to its answer.
    pub answer_ns: Histogram<u64>,
}

/// The result of a run.
#[derive(Debug)]
pub struct EncryptedReport {
    /// Leaves of the group at its end.
    pub leaves: usize,
    /// Of each claim.
    pub key_packages: usize,
    pub claim: Cost,
    /// Adding [`ADDED_AT_ONCE`] members by one commit.
    pub add: Cost,
    /// Messages of the room that a member got for such a commit.
    pub messages_of_add: u64,
    /// New keys for a leaf, with hardly anybody there.
    pub commit: Cost,
    /// The same, with all devices there.
    pub commit_to_all: Cost,
}

impl Cost {
    fn new() -> Self {
        Self { cpu: CpuTime::default(), count: 0, answer_ns: latency::histogram() }
    }

    fn add(&mut self, cpu: CpuTime, answered: Duration) {
        self.cpu = self.cpu.plus(cpu);
        self.count += 1;
        latency::record(&mut self.answer_ns, answered);
    }

    /// Milliseconds of CPU each time.
    pub fn cpu_ms(&self) -> f64 {
        self.cpu.total_ns as f64 / 1e6 / self.count.max(1) as f64
    }

    /// The median time to the answer, in milliseconds.
    pub fn answer_ms(&self) -> f64 {
        self.answer_ns.value_at_quantile(0.5) as f64 / 1e6
    }
}

/// Builds the group, and measures on the way.
///
/// # Errors
/// The server refuses something, a member does not get a commit, or the run was interrupted.
pub fn run(spec: &EncryptedSpec, interrupt: &Interrupt) -> Result<EncryptedReport, BenchError> {
    let mut party = Party::stock(spec, CLAIMS + SPARE, interrupt)?;
    party.log_in_some(CLAIMS)?;
    let (claim, key_packages) = measure_claims(spec, &mut party)?;
    let mut group = Group::found(spec, &mut party)?;
    let (add, messages_of_add) = group.grow()?;
    let mut commit = Cost::new();
    for _ in 0..COMMITS {
        group.commit(&Changes::default(), &[], &mut commit)?;
    }
    group.party.log_in_all()?;
    let mut commit_to_all = Cost::new();
    for _ in 0..COMMITS_TO_ALL {
        group.commit(&Changes::default(), &[], &mut commit_to_all)?;
    }
    let leaves = group.leaves();
    group.end()?;
    party.pool.close_all()?;
    Ok(EncryptedReport { leaves, key_packages, claim, add, messages_of_add, commit, commit_to_all })
}

/// Others than the founder claim, each once.
fn measure_claims(
    spec: &EncryptedSpec,
    party: &mut Party<'_>,
) -> Result<(Cost, usize), BenchError> {
    let (mut cost, mut least) = (Cost::new(), usize::MAX);
    let targets: Vec<usize> = (0..ACCOUNTS).collect();
    for claimant in 1..=CLAIMS {
        let slot = party.slot_of(claimant);
        let before = CpuTime::of_tree(spec.server)?;
        let (claimed, answered) = party.claim(slot, &targets)?;
        party.settle(SETTLE)?;
        cost.add(CpuTime::of_tree(spec.server)?.since(before), answered);
        least = least.min(claimed.len());
    }
    Ok((cost, least))
}

/// The group, in the hands of its founder.
struct Group<'a, 'b> {
    spec: &'a EncryptedSpec,
    party: &'a mut Party<'b>,
    room: String,
}

impl<'a, 'b> Group<'a, 'b> {
    fn found(spec: &'a EncryptedSpec, party: &'a mut Party<'b>) -> Result<Self, BenchError> {
        let slot = party.slot_of(FOUNDER);
        let payload = format!("<create xmlns='{}' kind='encrypted'/>", gathering::GROUPS);
        let domain = &spec.endpoint.domain;
        let interrupt = party.interrupt;
        let room = gathering::create(&mut party.pool, domain, slot, payload, interrupt)?;
        let info = party.founder().create(room.as_bytes())?;
        let group = Self { spec, party, room };
        group.party.ask(slot, Some(&group.room), wire::found(&info), "founding a group")?;
        Ok(group)
    }

    /// Takes all accounts in, by as few commits as the limits allow.
    fn grow(&mut self) -> Result<(Cost, u64), BenchError> {
        let slot = self.party.slot_of(FOUNDER);
        let others: Vec<usize> = (1..ACCOUNTS).collect();
        let (claimed, _) = self.party.claim(slot, &others)?;
        let (mut cost, mut rest, mut messages) = (Cost::new(), Cost::new(), 0);
        for coming in others.chunks(ADDED_AT_ONCE) {
            let of_coming = |package: &&wire::Claimed| {
                coming.iter().any(|account| self.party.jid(*account) == package.jid)
            };
            let add = claimed.iter().filter(of_coming).map(|package| package.bytes.clone());
            let changes = Changes { add: add.collect(), remove: Vec::new() };
            let cost = if coming.len() == ADDED_AT_ONCE { &mut cost } else { &mut rest };
            messages = messages.max(self.commit(&changes, coming, cost)?);
        }
        Ok((cost, messages))
    }

    /// Commits, waits until all who are there have it, and says how many messages of the room the
    /// one with the most got for it.
    fn commit(
        &mut self,
        changes: &Changes,
        coming: &[usize],
        cost: &mut Cost,
    ) -> Result<u64, BenchError> {
        let commit = self.party.founder().commit(self.room.as_bytes(), changes)?;
        let coming = coming.iter().map(|account| self.party.jid(*account)).collect::<Vec<_>>();
        let payload = wire::commit(&commit, &coming);
        let slot = self.party.slot_of(FOUNDER);
        let question = Question { slot, kind: "set", to: Some(self.room.clone()), payload };
        let before = CpuTime::of_tree(self.spec.server)?;
        let mut told = Told::new(&self.room, commit.epoch + 1);
        let began = Instant::now();
        let pool = &mut self.party.pool;
        questions::ask(pool, &[question], COMMITTING, self.party.interrupt, &mut |slot, event| {
            told.on_event(slot, &event);
        })?;
        let answered = began.elapsed();
        let deadline = Instant::now() + COPIES_MAX;
        while told.copies() < self.party.present() {
            if Instant::now() >= deadline {
                let answer =
                    format!("{} of {} devices have it", told.copies(), self.party.present());
                return Err(BenchError::Refused { what: COMMITTING, answer });
            }
            self.party.turn(&mut |slot, event| told.on_event(slot, &event))?;
        }
        self.party.settle(SETTLE)?;
        cost.add(CpuTime::of_tree(self.spec.server)?.since(before), answered);
        self.party.founder().accepted(self.room.as_bytes())?;
        Ok(told.most())
    }

    fn leaves(&mut self) -> usize {
        let room = self.room.clone();
        self.party.founder().members(room.as_bytes()).len()
    }

    fn end(self) -> Result<(), BenchError> {
        let slot = self.party.slot_of(FOUNDER);
        gathering::destroy(&mut self.party.pool, &self.room, slot, self.party.interrupt)
    }
}

/// Messages of the room itself, by slot.
struct Told<'a> {
    room: &'a str,
    epoch: String,
    /// Messages, and whether the commit is one of them.
    by_slot: HashMap<usize, (u64, bool)>,
}

impl<'a> Told<'a> {
    fn new(room: &'a str, epoch: u64) -> Self {
        Self { room, epoch: epoch.to_string(), by_slot: HashMap::new() }
    }

    fn on_event(&mut self, slot: usize, event: &Event<'_>) {
        let Event::Message(stanza) = event else { return };
        if find::attribute(stanza, "from") != Some(self.room.as_bytes()) {
            return;
        }
        let (messages, has_commit) = self.by_slot.entry(slot).or_default();
        *messages += 1;
        let commit = find::descendant(stanza, "commit");
        let epoch = commit.and_then(|commit| find::attribute(commit, "epoch"));
        *has_commit |= epoch == Some(self.epoch.as_bytes());
    }

    /// Sessions that have the commit.
    fn copies(&self) -> usize {
        self.by_slot.values().filter(|(_, has_commit)| *has_commit).count()
    }

    fn most(&self) -> u64 {
        self.by_slot.values().map(|(messages, _)| *messages).max().unwrap_or(0)
    }
}

/// The founder with one device, and 250 others with two each.
pub const ACCOUNTS: usize = 251;
/// Members that a commit brings.
pub const ADDED_AT_ONCE: usize = 100;
const CLAIMS: usize = 5;
/// One for the group itself; and a stock of less than ten makes the server warn the device.
const SPARE: usize = 11;
const COMMITS: usize = 20;
const COMMITS_TO_ALL: usize = 5;
/// Time for the server to finish what it does after an answer.
const SETTLE: Duration = Duration::from_millis(20);
/// A copy that takes so long does not come.
const COPIES_MAX: Duration = Duration::from_secs(10);
const COMMITTING: &str = "a commit";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_told_from_other_messages() {
        let mut told = Told::new("r@g", 8);
        let message = |from: &str, inner: &str| format!("<message from='{from}'>{inner}</message>");
        let commit = "<commit xmlns='urn:whimbrel:mls:0' epoch='8'/>";
        for (slot, from, inner, copies, most) in [
            (1, "r@g", "<change/>", 0, 1),
            (2, "r@g", "<commit epoch='7'/>", 0, 1),
            (1, "r@g", commit, 1, 2),
            (2, "other@g", commit, 1, 2),
            (2, "r@g/a", commit, 1, 2),
            (2, "r@g", commit, 2, 2),
        ] {
            told.on_event(slot, &Event::Message(message(from, inner).as_bytes()));
            assert_eq!((told.copies(), told.most()), (copies, most), "{slot} {from} {inner}");
        }
    }
}
