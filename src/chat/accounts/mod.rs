//! Accounts as people and operators deal with them: registration, devices, passwords, numbers.

mod books;
pub mod command;
mod error;
pub mod export;
mod ledger;
mod owner;
pub mod views;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use chat_core::access::{Access, DeviceId};
use chat_core::jid::{AccountId, Jid};
use chat_core::sasl::{NewToken, ServerSecret, TokenMechanism};
use chat_core::time::Now;
use chat_core::transaction::Write;
use chat_core::verification::registrar::Claim;
use chat_core::verification::{Confirmed, Holder, PhoneNumber, Policy, Refusal, Region, Registrar};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tokio::task::spawn_blocking;

pub use books::Books;
pub use error::AccountError;
pub use ledger::{Found, Ledger, ORDERS_MAX, Order, Reply};
pub use owner::Owner;

use super::gateway::{Gateway, Registration};

/// What accounts are made of. Clones are one and the same.
#[derive(Clone)]
pub struct Accounts {
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Ledger,
    registrar: Mutex<Registrar>,
    /// Held by one claim at a time, until what its PIN's tries came to is stored: those of claims
    /// side by side would count once.
    claiming: tokio::sync::Mutex<()>,
    registration: Registration,
    gateway: Gateway,
    secret: ServerSecret,
    domain: String,
    region: Option<Region>,
    retraction_within_s: Option<u64>,
    started: Instant,
}

/// What [`Accounts`] works with.
pub struct AccountsSetup {
    /// Where accounts are kept.
    pub ledger: Ledger,
    /// Who delivers codes.
    pub gateway: Gateway,
    /// What the registrar goes by.
    pub policy: Policy,
    /// Who gets an account.
    pub registration: Registration,
    /// What devices' tokens are derived from; the core has the same.
    pub secret: ServerSecret,
    /// The domain of all accounts' JIDs.
    pub domain: String,
    /// Numbers without a country code are of this country.
    pub region: Option<Region>,
    /// How long authors may delete their messages for everyone, in seconds; apps are told.
    pub retraction_within_s: Option<u64>,
}

/// The system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system's random source fails")]
pub struct NoRandom;

/// A device that wants in.
#[derive(Debug, Clone)]
pub struct NewDevice {
    /// Names the installation.
    pub id: DeviceId,
    /// As its owner knows it.
    pub name: String,
    /// The mechanism that its token shall work with.
    pub mechanism: TokenMechanism,
}

/// A device that is in.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Whose device it is.
    pub account: AccountId,
    /// Whether the account is a fresh one.
    pub is_created: bool,
    /// The device's id.
    pub device: DeviceId,
    /// What it logs in by.
    pub token: NewToken,
    /// The mechanism that the token works with.
    pub mechanism: TokenMechanism,
}

/// What somebody has who says that a number is his.
#[derive(Debug, Clone)]
pub struct OwnedClaim {
    /// The number.
    pub number: PhoneNumber,
    /// The code that was sent to it.
    pub code: String,
    /// The PIN, if he gives one.
    pub pin: Option<String>,
}

impl Accounts {
    /// Accounts of a server that runs, or of a command.
    ///
    /// # Errors
    /// [`NoRandom`].
    pub fn new(setup: AccountsSetup) -> Result<Self, NoRandom> {
        let AccountsSetup { ledger, gateway, policy, registration, .. } = setup;
        let AccountsSetup { secret, domain, region, retraction_within_s, .. } = setup;
        let registrar = Mutex::new(Registrar::new(policy, random_bytes()?));
        let started = Instant::now();
        let claiming = tokio::sync::Mutex::default();
        Ok(Self {
            shared: Arc::new(Shared {
                ledger,
                registrar,
                claiming,
                registration,
                gateway,
                secret,
                domain,
                region,
                retraction_within_s,
                started,
            }),
        })
    }

    /// Reads a number as people of the server's region write it.
    ///
    /// # Errors
    /// [`AccountError::Number`].
    pub fn number(&self, text: &str) -> Result<PhoneNumber, AccountError> {
        Ok(PhoneNumber::parse(text, self.shared.region)?)
    }

    /// How long authors may delete their messages for everyone, in seconds; for ever where nothing
    /// is said.
    pub fn retraction_within_s(&self) -> Option<u64> {
        self.shared.retraction_within_s
    }

    /// An account's bare JID.
    pub fn jid(&self, account: AccountId) -> String {
        format!("{account}@{}", self.shared.domain)
    }

    fn jid_of(&self, account: AccountId) -> Jid {
        let domain = Jid::parse(&self.shared.domain).expect("the configuration's domain is one");
        Jid::from_parts(Some(&account.to_string()), domain.domain(), None)
            .expect("an id is a lawful local part")
    }

    /// Sends a code to a number, for who registers by it. Whether it has an account makes no
    /// difference.
    ///
    /// # Errors
    /// [`AccountError::RegistrationClosed`], [`AccountError::Refused`], [`AccountError::Delivery`].
    pub async fn send_code(&self, number: PhoneNumber, from: IpAddr) -> Result<(), AccountError> {
        self.check_open()?;
        self.send_code_anyway(number, from).await
    }

    /// The same for an account that there is.
    async fn send_code_anyway(
        &self,
        number: PhoneNumber,
        from: IpAddr,
    ) -> Result<(), AccountError> {
        let now = self.now();
        let send = self.with_registrar(move |registrar| registrar.request_code(now, number, from));
        let send = send.await?;
        Ok(self.shared.gateway.deliver(&send).await?)
    }

    /// Registers a device by a number.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn register(
        &self,
        claim: OwnedClaim,
        device: NewDevice,
    ) -> Result<Registered, AccountError> {
        self.check_open()?;
        let number = claim.number;
        let confirmed = self.settle(claim, Registrar::confirm).await?;
        match confirmed {
            Confirmed::FurtherDevice { account } => self.let_in(account, false, device).await,
            Confirmed::NewAccount { from } => {
                self.release_number(from).await?;
                let account = self.create(Some(number)).await?;
                self.let_in(account, true, device).await
            }
        }
    }

    /// Registers a client that knows no tokens: the account gets this password.
    ///
    /// # Errors
    /// [`AccountError`]; the code still counts where the password cannot be set.
    pub async fn register_password(
        &self,
        claim: OwnedClaim,
        password: String,
    ) -> Result<AccountId, AccountError> {
        self.check_open()?;
        chat_core::sasl::check_password(&password)?;
        let number = claim.number;
        let account = match self.settle(claim, Registrar::confirm).await? {
            Confirmed::FurtherDevice { account } => account,
            Confirmed::NewAccount { from } => {
                self.release_number(from).await?;
                self.create(Some(number)).await?
            }
        };
        let found = self.shared.ledger.find(&account.to_string()).await?;
        let found = found.filter(|found| found.account == account);
        let found = found.ok_or(AccountError::NotFound { what: "account" })?;
        let mut random = self.random_source()?;
        let made = spawn_blocking(move || {
            let (mut access, mut writes) = (Access::load(account, &found.records), Vec::new());
            access.set_password(&password, &mut random, &mut writes).map(|()| writes)
        });
        let writes = made.await.map_err(|_| AccountError::Storage(panicked()))??;
        self.shared.ledger.write(account, writes, false).await?;
        Ok(account)
    }

    /// Deletes an account and all that belongs to it.
    ///
    /// # Errors
    /// [`AccountError::Storage`].
    pub async fn remove(
        &self,
        account: AccountId,
        number: Option<&str>,
    ) -> Result<(), AccountError> {
        self.shared.ledger.write(account, vec![Write::DeleteAccount { account }], true).await?;
        let number: Option<PhoneNumber> = number.and_then(|number| number.parse().ok());
        let forget = move |registrar: &mut Registrar| {
            registrar.forget(account, number);
            Ok(())
        };
        self.with_registrar(forget).await
    }

    /// Registers a device by a link that another one of the account shows.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn register_by_link(
        &self,
        link: String,
        device: NewDevice,
    ) -> Result<Registered, AccountError> {
        let now = self.now();
        let confirmed =
            self.with_registrar(move |registrar| registrar.confirm_link(now, &link)).await?;
        match confirmed {
            Confirmed::FurtherDevice { account } => self.let_in(account, false, device).await,
            Confirmed::NewAccount { .. } => Err(Refusal::Link.into()),
        }
    }

    /// Who bears this token: `ACCOUNT.DEVICE.TOKEN`.
    ///
    /// # Errors
    /// [`AccountError::Unauthorized`].
    pub async fn owner(&self, bearer: &str) -> Result<Owner, AccountError> {
        let mut parts = bearer.splitn(3, '.');
        let (Some(account), Some(device), Some(token)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(AccountError::Unauthorized);
        };
        let id = AccountId::parse(account).map_err(|_| AccountError::Unauthorized)?;
        let found = self.shared.ledger.find(account).await?;
        // Twelve digits could be somebody's number.
        let found = found.filter(|found| found.account == id).ok_or(AccountError::Unauthorized)?;
        let access = Access::load(id, &found.records);
        let device = device.to_ascii_lowercase();
        match access.holds(&device, token, &self.shared.secret, self.unix_s()) {
            true => Ok(Owner::new(self.clone(), found, access, device)),
            false => Err(AccountError::Unauthorized),
        }
    }

    /// Makes an account, with a number or without.
    ///
    /// # Errors
    /// [`AccountError::NumberTaken`], [`AccountError::Storage`].
    pub async fn create(&self, number: Option<PhoneNumber>) -> Result<AccountId, AccountError> {
        let account = AccountId::from_random(u64::from_ne_bytes(self.random()?));
        let number = number.map(|number| number.to_string().into());
        let created_unix_ms = self.now().unix_ms;
        let create = Write::CreateAccount { account, number, created_unix_ms };
        self.shared.ledger.write(account, vec![create], false).await?;
        Ok(account)
    }

    fn check_open(&self) -> Result<(), AccountError> {
        match self.shared.registration {
            Registration::Open => Ok(()),
            Registration::Closed => Err(AccountError::RegistrationClosed),
        }
    }

    /// Begins anew, as after a restart.
    #[cfg(test)]
    pub(super) fn forget_limits(&self, policy: Policy) {
        *self.shared.registrar() = Registrar::new(policy, [4; 32]);
    }

    async fn let_in(
        &self,
        account: AccountId,
        is_created: bool,
        device: NewDevice,
    ) -> Result<Registered, AccountError> {
        let NewDevice { id, name, mechanism } = device;
        let found = self.shared.ledger.find(&account.to_string()).await?;
        let found = found.filter(|found| found.account == account);
        let found = found.ok_or(AccountError::NotFound { what: "account" })?;
        let (mut access, mut writes) = (Access::load(account, &found.records), Vec::new());
        let (secret, now) = (&self.shared.secret, self.unix_s());
        let token = access.add_device(id.clone(), &name, mechanism, secret, now, &mut writes);
        let token = token.ok_or(AccountError::Unauthorized)?;
        self.shared.ledger.write(account, writes, false).await?;
        Ok(Registered { account, is_created, device: id, token, mechanism })
    }

    /// Puts a claim to the registrar, with the account that has the number; what the PIN's tries
    /// came to is stored first.
    async fn settle<T: Send + 'static>(
        &self,
        claim: OwnedClaim,
        settle: impl FnOnce(&mut Registrar, Now, Claim<'_>, Option<&mut Holder>) -> Result<T, Refusal>
        + Send
        + 'static,
    ) -> Result<T, AccountError> {
        let _turn = self.shared.claiming.lock().await;
        let found = self.shared.ledger.find(&claim.number.to_string()).await?;
        let mut access = found.map(|found| Access::load(found.account, &found.records));
        let mut holder = access.as_ref().map(holder_of);
        let before = holder.as_ref().and_then(|holder| holder.pin.clone());
        let now = self.now();
        let shared = self.shared.clone();
        let (settled, holder) = spawn_blocking(move || {
            let OwnedClaim { number, code, pin } = &claim;
            let claim = Claim { number: *number, code, pin: pin.as_deref() };
            (settle(&mut shared.registrar(), now, claim, holder.as_mut()), holder)
        })
        .await
        .map_err(|_| AccountError::Storage(panicked()))?;
        if let (Some(access), Some(Holder { account, pin, .. })) = (&mut access, holder)
            && pin != before
        {
            let mut writes = Vec::new();
            access.set_pin(pin, &mut writes);
            self.shared.ledger.write(account, writes, false).await?;
        }
        Ok(settled?)
    }

    async fn release_number(&self, from: Option<AccountId>) -> Result<(), AccountError> {
        let Some(account) = from else { return Ok(()) };
        let write = Write::SetNumber { account, number: None };
        Ok(self.shared.ledger.write(account, vec![write], false).await?)
    }

    /// Slow hashes hold the lock for a while: not on a thread that others wait for.
    async fn with_registrar<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Registrar) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, AccountError> {
        let shared = self.shared.clone();
        let done = spawn_blocking(move || work(&mut shared.registrar())).await;
        Ok(done.map_err(|_| AccountError::Storage(panicked()))??)
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], AccountError> {
        let failed = |NoRandom| chat_core::transaction::StorageError::Failed {
            reason: NoRandom.to_string(),
        };
        random_bytes().map_err(|error| AccountError::Storage(failed(error)))
    }

    fn random_source(&self) -> Result<ChaCha20Rng, AccountError> {
        Ok(ChaCha20Rng::from_seed(self.random()?))
    }

    fn now(&self) -> Now {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Now {
            elapsed_ms: self.shared.started.elapsed().as_millis() as u64,
            unix_ms: since.map_or(0, |since| since.as_millis() as u64),
        }
    }

    fn unix_s(&self) -> u64 {
        self.now().unix_ms / 1000
    }
}

impl Shared {
    fn registrar(&self) -> std::sync::MutexGuard<'_, Registrar> {
        // A panic while it was held leaves usable tables.
        self.registrar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn holder_of(access: &Access) -> Holder {
    Holder {
        account: access.account(),
        pin: access.pin().cloned(),
        seen_unix_s: access.seen_unix_s(),
    }
}

fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandom> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| NoRandom)?;
    Ok(bytes)
}

fn panicked() -> chat_core::transaction::StorageError {
    chat_core::transaction::StorageError::Failed { reason: "the registrar panicked".to_owned() }
}
