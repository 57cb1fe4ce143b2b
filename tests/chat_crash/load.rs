//! Devices that chat with one another all the time, and what comes of it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::version::TLS13;

use crate::device::{Device, Phase, Shared};
use crate::house::House;
use crate::ledger::{Account, Fault, Ledger};
use crate::tls;

const WAIT: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(10);
/// Of each kind, for the one who reads of a failure.
const FAULTS_SHOWN: usize = 4;

pub struct Load {
    shared: Arc<Shared>,
    devices: Mutex<Vec<JoinHandle<()>>>,
    drained: Vec<Arc<Mutex<bool>>>,
}

impl Load {
    /// Starts a device for each of the house's accounts.
    pub fn on(house: &House, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            tls: tls::client(&house.certificate(), &TLS13, &[]),
            accounts: house.accounts(),
            ledger: Mutex::new(Ledger::default()),
            door: Mutex::new(Some(house.door())),
            phase: Mutex::new(Phase::Load),
            troubles: Mutex::default(),
            refused: AtomicU64::default(),
            resumed: AtomicU64::default(),
            not_resumed: AtomicU64::default(),
        });
        let (mut devices, mut drained) = (Vec::new(), Vec::new());
        for account in 0..shared.accounts.len() {
            let account = Account::try_from(account).unwrap();
            let device = Device::new(account, shared.clone(), seed);
            drained.push(device.is_drained.clone());
            devices.push(std::thread::spawn(move || device.run()));
        }
        Self { shared, devices: Mutex::new(devices), drained }
    }

    /// Tells devices where the server is, if there is one.
    pub fn set_door(&self, door: Option<SocketAddr>) {
        *self.shared.door.lock().unwrap() = door;
    }

    /// Waits until something more is acknowledged.
    pub fn wait_for_progress(&self, house: &House) {
        let before = self.acknowledged();
        let failure = || format!("nothing is acknowledged any more\n{}", house.log());
        self.until(failure, || self.acknowledged() > before);
    }

    /// Connections that nobody took.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Lets devices come to rest, reads the archives, and checks all that was seen.
    pub fn end(&self) {
        self.set_phase(Phase::Drain);
        let is_drained = || self.drained.iter().all(|drained| *drained.lock().unwrap());
        self.until(|| "messages stay unacknowledged".to_owned(), is_drained);
        let begun = Instant::now();
        let is_delivered = || self.shared.ledger.lock().unwrap().undelivered().is_empty();
        // What does not come is a fault that the ledger tells of.
        while !is_delivered() && begun.elapsed() < WAIT / 2 {
            std::thread::sleep(LOOK);
        }
        self.set_phase(Phase::Archive);
        self.devices.lock().unwrap().drain(..).for_each(|device| device.join().unwrap());
        let ledger = self.shared.ledger.lock().unwrap();
        eprintln!("{}", self.summary(&ledger));
        self.check_troubles();
        let faults = ledger.check();
        assert!(faults.is_empty(), "{}", report(&faults));
    }

    fn set_phase(&self, phase: Phase) {
        *self.shared.phase.lock().unwrap() = phase;
    }

    fn acknowledged(&self) -> usize {
        self.shared.ledger.lock().unwrap().acknowledged_count()
    }

    fn check_troubles(&self) {
        assert_eq!(*self.shared.troubles.lock().unwrap(), Vec::<String>::new());
    }

    fn until(&self, failure: impl Fn() -> String, mut holds: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !holds() {
            self.check_troubles();
            assert!(begun.elapsed() < WAIT, "{}", failure());
            std::thread::sleep(LOOK);
        }
    }

    /// One line for a run that went well.
    fn summary(&self, ledger: &Ledger) -> String {
        let Shared { refused, resumed, not_resumed, .. } = &*self.shared;
        format!(
            "{} messages acknowledged, {} received; streams resumed {resumed:?}, \
             not resumed {not_resumed:?}; connections refused {refused:?}",
            ledger.acknowledged_count(),
            ledger.received_count(),
        )
    }
}

/// How many faults there are of each kind, and the first ones.
fn report(faults: &[Fault]) -> String {
    let mut kinds = BTreeMap::<_, Vec<String>>::new();
    for fault in faults {
        let text = format!("{fault:?}");
        let kind = text.split(' ').next().unwrap_or_default().to_owned();
        kinds.entry(kind).or_default().push(text);
    }
    let lines = kinds.into_iter().map(|(kind, faults)| {
        let first = &faults[..faults.len().min(FAULTS_SHOWN)];
        format!("{} {kind}:\n  {}", faults.len(), first.join("\n  "))
    });
    lines.collect::<Vec<_>>().join("\n")
}
