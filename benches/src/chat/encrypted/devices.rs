//! The devices of a run: their logins, their stock of key packages, and who is there.

use std::rc::Rc;
use std::time::{Duration, Instant};

use mls_client::Device;

use crate::error::BenchError;
use crate::load::Interrupt;
use crate::xmpp::questions::{self, Question};
use crate::xmpp::{Event, Pool, Wishes, user_agent_id};

use super::super::rooms::gathering::GROUPS;
use super::{ACCOUNTS, EncryptedSpec, wire};

/// All devices, and one pool for their sessions.
pub struct Party<'a> {
    spec: &'a EncryptedSpec,
    pub interrupt: &'a Interrupt,
    pub pool: Pool,
    places: Vec<Place>,
    /// The only device that follows the group.
    founder: Device,
    present: usize,
}

/// A device of an account.
struct Place {
    account: usize,
    resource: &'static str,
    slot: Option<usize>,
}

impl<'a> Party<'a> {
    /// Logs all devices in, has each put so many new key packages into its stock, and logs them out.
    ///
    /// # Errors
    /// The server refuses one.
    pub fn stock(
        spec: &'a EncryptedSpec,
        packages: usize,
        interrupt: &'a Interrupt,
    ) -> Result<Self, BenchError> {
        if spec.accounts.len() < ACCOUNTS {
            let accounts = spec.accounts.len();
            return Err(BenchError::Accounts { accounts, wanted: ACCOUNTS });
        }
        let resources = |account| if account == FOUNDER { &RESOURCES[..1] } else { &RESOURCES[..] };
        let places: Vec<Place> = (0..ACCOUNTS)
            .flat_map(|account| resources(account).iter().map(move |name| (account, *name)))
            .map(|(account, resource)| Place { account, resource, slot: None })
            .collect();
        let pool = Pool::new(spec.endpoint.clone(), spec.accounts.clone())?;
        let founder = device(spec, &places[0])?;
        let mut party = Self { spec, interrupt, pool, places, founder, present: 0 };
        let all: Vec<usize> = (0..party.places.len()).collect();
        party.log_in(&all, false)?;
        let mut questions = Vec::with_capacity(all.len());
        for place in &party.places {
            let Some(slot) = place.slot else { continue };
            let device = device(spec, place)?;
            let packages = (0..packages).map(|_| device.key_package(false));
            let payload = wire::stock(&packages.collect::<Result<Vec<_>, _>>()?);
            questions.push(Question { slot, kind: "set", to: None, payload });
        }
        let what = "putting key packages into the stock";
        questions::ask(&mut party.pool, &questions, what, interrupt, &mut |_, _| {})?;
        party.pool.close_all()?;
        party.places.iter_mut().for_each(|place| place.slot = None);
        party.present = 0;
        Ok(party)
    }

    /// The founder comes, and the first devices of so many others.
    ///
    /// # Errors
    /// A login is refused.
    pub fn log_in_some(&mut self, others: usize) -> Result<(), BenchError> {
        let first = (0..self.places.len()).filter(|index| {
            let place = &self.places[*index];
            place.account <= others && place.resource == RESOURCES[0]
        });
        self.log_in(&first.collect::<Vec<_>>(), true)
    }

    /// All come who are not there. They are to get what is said from now on, and so ask for
    /// groups' messages behind their first presence.
    ///
    /// # Errors
    /// A login is refused.
    pub fn log_in_all(&mut self) -> Result<(), BenchError> {
        let absent = (0..self.places.len()).filter(|index| self.places[*index].slot.is_none());
        let absent: Vec<usize> = absent.collect();
        self.log_in(&absent, false)?;
        let enable = |slot| Question {
            slot,
            kind: "set",
            to: Some(format!("groups.{}", self.spec.endpoint.domain)),
            payload: format!("<enable xmlns='{GROUPS}'/>"),
        };
        let slots = absent.iter().filter_map(|index| self.places[*index].slot);
        let questions: Vec<Question> = slots.map(enable).collect();
        let what = "asking for groups' messages";
        questions::ask(&mut self.pool, &questions, what, self.interrupt, &mut |_, _| {})?;
        Ok(())
    }

    /// One of each of these accounts' devices' key packages, and the time to the answer.
    ///
    /// # Errors
    /// The server refuses.
    pub fn claim(
        &mut self,
        slot: usize,
        accounts: &[usize],
    ) -> Result<(Vec<wire::Claimed>, Duration), BenchError> {
        let jids: Vec<String> = accounts.iter().map(|account| self.jid(*account)).collect();
        let domain = self.spec.endpoint.domain.clone();
        let began = Instant::now();
        let answer = self.ask(slot, Some(&domain), wire::claim(&jids), "a claim")?;
        let answered = began.elapsed();
        Ok((wire::claimed(&answer)?, answered))
    }

    /// Asks, and gives the answer.
    ///
    /// # Errors
    /// The server refuses.
    pub fn ask(
        &mut self,
        slot: usize,
        to: Option<&str>,
        payload: String,
        what: &'static str,
    ) -> Result<Vec<u8>, BenchError> {
        let question = Question { slot, kind: "set", to: to.map(str::to_owned), payload };
        let pool = &mut self.pool;
        let answers = questions::ask(pool, &[question], what, self.interrupt, &mut |_, _| {})?;
        Ok(answers.into_iter().next().unwrap_or_default())
    }

    /// Waits up to a moment for something to happen.
    ///
    /// # Errors
    /// epoll's, or the run was interrupted.
    pub fn turn(&mut self, on_event: &mut dyn FnMut(usize, Event<'_>)) -> Result<(), BenchError> {
        self.interrupt.check()?;
        self.pool.turn(WAIT_MAX, on_event)
    }

    /// Lets the server come to rest.
    ///
    /// # Errors
    /// epoll's, or the run was interrupted.
    pub fn settle(&mut self, time: Duration) -> Result<(), BenchError> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.turn(&mut |_, _| {})?;
        }
        Ok(())
    }

    /// The device that founds the group.
    pub fn founder(&mut self) -> &mut Device {
        &mut self.founder
    }

    /// The slot of an account's first device.
    pub fn slot_of(&self, account: usize) -> usize {
        let place = self.places.iter().find(|place| place.account == account);
        place.and_then(|place| place.slot).unwrap_or_default()
    }

    /// The bare JID of an account.
    pub fn jid(&self, account: usize) -> String {
        self.spec.accounts[account].jid.clone()
    }

    /// Devices that are there.
    pub fn present(&self) -> usize {
        self.present
    }

    fn log_in(&mut self, places: &[usize], takes_groups: bool) -> Result<(), BenchError> {
        let wishes = RESOURCES.map(|resource| {
            Rc::new(Wishes {
                presence: true,
                groups: takes_groups,
                sasl2: true,
                mechanism: self.spec.mechanism,
                resource: Some(resource.to_owned()),
                ..Wishes::default()
            })
        });
        let logins: Vec<_> = places
            .iter()
            .map(|index| {
                let place = &self.places[*index];
                let kind = usize::from(place.resource != RESOURCES[0]);
                (place.account, Rc::clone(&wishes[kind]))
            })
            .collect();
        let slots = self.pool.log_in_all(&logins, self.interrupt, &mut |_, _| {})?;
        for (index, slot) in places.iter().zip(slots) {
            self.places[*index].slot = Some(slot);
        }
        self.present += places.len();
        Ok(())
    }
}

fn device(spec: &EncryptedSpec, place: &Place) -> Result<Device, BenchError> {
    let account = &spec.accounts[place.account];
    let id = user_agent_id(&account.jid, Some(place.resource));
    Ok(Device::new(account.local(), &id)?)
}

/// The account that founds the group; it has one device.
pub const FOUNDER: usize = 0;
const RESOURCES: [&str; 2] = ["phone", "laptop"];
/// How soon what has come is looked at.
const WAIT_MAX: Duration = Duration::from_millis(5);
