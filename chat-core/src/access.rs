//! What opens an account: its password, its app passwords, its devices' tokens, its PIN.
//!
//! Each is a record of the feature [`FEATURE`], so that one is changed without the others. What is
//! changed in memory comes with the [`Write`] that makes it last.

pub mod app_password;
pub mod device;
pub mod entrance;
#[cfg(test)]
mod tests;

use data_encoding::BASE64;
use rand_chacha::ChaCha20Rng;

use crate::jid::AccountId;
use crate::sasl::{
    Credential, Credentials, NewToken, PasswordError, PasswordKeys, Salt, ServerSecret,
    TokenHolder, TokenMechanism, TokenRefused, TokenWish,
};
use crate::stream::Login;
use crate::transaction::{Record, Write};
use crate::verification::Pin;
use crate::xml::Element;

pub use app_password::{AppPassword, random_password};
pub use device::{Device, DeviceId, DeviceIdError};
pub use entrance::{Entrance, LoginRefused, Shown};

/// The owner of the records, for [`Record::feature`].
pub const FEATURE: &str = "access";
/// Devices of one account that have tokens; a further one logs out the one that was away longest.
pub const DEVICES_MAX: usize = 32;
/// App passwords of one account. A log-in by a password is tried against each.
pub const APP_PASSWORDS_MAX: usize = 16;

/// What opens one account.
#[derive(Clone, Debug)]
pub struct Access {
    account: AccountId,
    salt: Option<Salt>,
    password: Option<PasswordKeys>,
    app_passwords: Vec<AppPassword>,
    devices: Vec<Device>,
    pin: Option<Pin>,
    seen_unix_s: u64,
}

/// The account has as many app passwords as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an account has {APP_PASSWORDS_MAX} app passwords at most; revoke one")]
pub struct TooManyAppPasswords;

impl Access {
    /// What the records say. One that cannot be read is passed over: it opens nothing.
    pub fn load(account: AccountId, records: &[Record]) -> Self {
        let mut access = Self {
            account,
            salt: None,
            password: None,
            app_passwords: Vec::new(),
            devices: Vec::new(),
            pin: None,
            seen_unix_s: 0,
        };
        for record in records.iter().filter(|record| *record.feature == *FEATURE) {
            if let Ok(value) = Element::parse(&record.value, "") {
                access.read(&record.key, &value);
            }
        }
        access
    }

    /// Reads one record.
    pub(crate) fn read(&mut self, key: &str, value: &Element) {
        let text = value.text();
        match key.split_once('/') {
            Some(("app", id)) => {
                self.app_passwords.extend(AppPassword::read(id, value));
                // In the storage's order: a login that was looked up there counts by it.
                self.app_passwords.sort_by(|one, other| one.id.cmp(&other.id));
            }
            Some(("device", id)) => self.devices.extend(Device::read(id, value)),
            Some(_) => {}
            None => match key {
                "salt" => self.salt = salt_of(&text),
                "password" => self.password = text.parse().ok(),
                "pin" => self.pin = text.parse().ok(),
                "seen" => self.seen_unix_s = text.parse().unwrap_or_default(),
                _ => {}
            },
        }
    }

    /// Forgets what one record says.
    pub(crate) fn forget(&mut self, key: &str) {
        match key.split_once('/') {
            Some(("app", id)) => self.app_passwords.retain(|one| *one.id != *id),
            Some(("device", id)) => self.devices.retain(|device| device.id.as_str() != id),
            Some(_) => {}
            None => match key {
                "password" => self.password = None,
                "pin" => self.pin = None,
                _ => {}
            },
        }
    }

    /// What a log-in may prove to have; `device` is the one that logs in.
    pub fn credentials(
        &self,
        device: Option<&str>,
        secret: &ServerSecret,
        now_unix_s: u64,
    ) -> Credentials {
        let app_passwords = self.app_passwords.iter().map(|one| &one.keys);
        let device = device.and_then(|id| self.device(id));
        let holder = self.account.to_string();
        let live = |device: &Device| device.tokens.live(device.holder(&holder), secret, now_unix_s);
        Credentials {
            passwords: self.password.iter().chain(app_passwords).cloned().collect(),
            tokens: device.map(live).unwrap_or_default(),
        }
    }

    /// Whether `token` is one that `device` has now.
    pub fn holds(&self, device: &str, token: &str, secret: &ServerSecret, now_unix_s: u64) -> bool {
        let Some(device) = self.device(device) else { return false };
        let holder = self.account.to_string();
        let live = device.tokens.live(device.holder(&holder), secret, now_unix_s);
        let is_it = |known: &str| {
            let (known, token) = (known.as_bytes(), token.as_bytes());
            aws_lc_rs::constant_time::verify_slices_are_equal(known, token).is_ok()
        };
        live.iter().any(|live| !live.has_expired && is_it(&live.secret))
    }

    /// Takes note of a log-in, and makes the token that it asked for.
    ///
    /// # Errors
    /// [`LoginRefused`] where the password or the token that it used does not count any more.
    pub fn log_in(
        &mut self,
        login: &Login,
        secret: &ServerSecret,
        now_unix_s: u64,
        writes: &mut Vec<Write>,
    ) -> Result<Option<NewToken>, LoginRefused> {
        let shown = self.shown(&login.credential);
        let used = match login.credential {
            Credential::Token { generation } => Some(generation),
            Credential::Password(_) if shown.is_none() => return Err(LoginRefused::Password),
            Credential::Password(_) => None,
        };
        let agent = login.user_agent.as_ref();
        let id = agent.and_then(|agent| agent.id.as_deref());
        let id = id.and_then(|id| id.parse::<DeviceId>().ok());
        let Some(id) = id.filter(|_| used.is_some() || login.tokens != TokenWish::default()) else {
            self.note_seen(shown, now_unix_s, writes);
            return Ok(None);
        };
        if let Some(generation) = used
            && self.device(id.as_str()).is_none()
        {
            return Err(TokenRefused::Replaced { generation }.into());
        }
        let name = agent.and_then(|agent| agent.device.clone().or(agent.software.clone()));
        let index = self.device_at(id, name.unwrap_or_default(), now_unix_s, writes);
        if shown.is_some() {
            self.devices[index].shown = shown;
        }
        Ok(self.use_tokens(index, used, login.tokens, secret, now_unix_s, writes)?)
    }

    /// Takes note of a session's end. One that was short changes nothing worth a write.
    pub(crate) fn note_left(&mut self, id: &DeviceId, now_unix_s: u64, writes: &mut Vec<Write>) {
        let Some(device) = self.devices.iter_mut().find(|device| device.id == *id) else { return };
        if now_unix_s < device.seen_unix_s + DEVICE_SEEN_STEP_S {
            return;
        }
        device.seen_unix_s = now_unix_s;
        let (key, value) = (device.key(), device.value());
        writes.push(self.put(&key, &value));
    }

    /// Lets a device in that has proved to be its owner's, and gives it a token.
    pub fn add_device(
        &mut self,
        id: DeviceId,
        name: &str,
        mechanism: TokenMechanism,
        secret: &ServerSecret,
        now_unix_s: u64,
        writes: &mut Vec<Write>,
    ) -> Option<NewToken> {
        let index = self.device_at(id, device::name_of(name), now_unix_s, writes);
        // Whoever had the device before has no part in it any more.
        self.devices[index].tokens.revoke();
        self.devices[index].shown = None;
        let wish = TokenWish { request: Some(mechanism), ..TokenWish::default() };
        self.use_tokens(index, None, wish, secret, now_unix_s, writes).ok().flatten()
    }

    /// Ends a device's tokens. Says whether there was one of this id.
    pub fn revoke_device(&mut self, id: &str, writes: &mut Vec<Write>) -> bool {
        let Some(at) = self.devices.iter().position(|device| device.id.as_str() == id) else {
            return false;
        };
        let device = self.devices.remove(at);
        writes.push(self.removal(&device.key()));
        writes.push(Write::RemoveKeyPackages { account: self.account, device: device.id });
        true
    }

    /// Sets the password. Costs some ten milliseconds.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn set_password(
        &mut self,
        password: &str,
        random: &mut ChaCha20Rng,
        writes: &mut Vec<Write>,
    ) -> Result<(), PasswordError> {
        let keys = PasswordKeys::derive(password, self.salt(random, writes))?;
        self.replace_keys(&Shown::Password, keys, writes);
        Ok(())
    }

    /// Puts other keys in the place of the account's password, or of an app password. Says whether
    /// there is such.
    pub(crate) fn replace_keys(
        &mut self,
        shown: &Shown,
        keys: PasswordKeys,
        writes: &mut Vec<Write>,
    ) -> bool {
        match shown {
            Shown::Password => {
                writes.push(self.put("password", &value("password").with_text(keys.to_string())));
                self.password = Some(keys);
            }
            Shown::AppPassword(id) => {
                let Some(one) = self.app_passwords.iter_mut().find(|one| one.id == *id) else {
                    return false;
                };
                one.keys = keys;
                let (key, value) = (one.key(), one.value());
                writes.push(self.put(&key, &value));
            }
        }
        self.forget_shown(shown, writes);
        true
    }

    /// Removes the password: devices and app passwords stay.
    pub fn remove_password(&mut self, writes: &mut Vec<Write>) {
        if self.password.take().is_some() {
            self.forget_shown(&Shown::Password, writes);
            writes.push(self.removal("password"));
        }
    }

    /// Makes an app password, which is shown this once. Costs some ten milliseconds.
    ///
    /// # Errors
    /// [`TooManyAppPasswords`].
    pub fn add_app_password(
        &mut self,
        name: &str,
        now_unix_s: u64,
        random: &mut ChaCha20Rng,
        writes: &mut Vec<Write>,
    ) -> Result<(AppPassword, String), TooManyAppPasswords> {
        if self.app_passwords.len() >= APP_PASSWORDS_MAX {
            return Err(TooManyAppPasswords);
        }
        let salt = self.salt(random, writes);
        let (made, shown) = AppPassword::make(device::name_of(name), now_unix_s, salt, random);
        writes.push(self.put(&made.key(), &made.value()));
        self.app_passwords.push(made.clone());
        Ok((made, shown))
    }

    /// Ends an app password. Says whether there was one of this id.
    pub fn revoke_app_password(&mut self, id: &str, writes: &mut Vec<Write>) -> bool {
        let Some(at) = self.app_passwords.iter().position(|one| *one.id == *id) else {
            return false;
        };
        let revoked = self.app_passwords.remove(at);
        writes.push(self.removal(&revoked.key()));
        self.forget_shown(&Shown::AppPassword(revoked.id), writes);
        true
    }

    /// Sets the PIN, or removes it.
    pub fn set_pin(&mut self, pin: Option<Pin>, writes: &mut Vec<Write>) {
        writes.push(match &pin {
            Some(pin) => self.put("pin", &value("pin").with_text(pin.to_string())),
            None => self.removal("pin"),
        });
        self.pin = pin;
    }

    /// Whose it is.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The PIN.
    pub fn pin(&self) -> Option<&Pin> {
        self.pin.as_ref()
    }

    /// Whether it has a password, app passwords aside.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The devices that have tokens.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The app passwords.
    pub fn app_passwords(&self) -> &[AppPassword] {
        &self.app_passwords
    }

    /// When somebody last logged in, in seconds since 1970.
    pub fn seen_unix_s(&self) -> u64 {
        let devices = self.devices.iter().map(|device| device.seen_unix_s);
        devices.max().unwrap_or_default().max(self.seen_unix_s)
    }

    fn device(&self, id: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.id.as_str() == id)
    }

    /// The place of a device, which is made if it is new.
    fn device_at(
        &mut self,
        id: DeviceId,
        name: String,
        now_unix_s: u64,
        writes: &mut Vec<Write>,
    ) -> usize {
        if let Some(at) = self.devices.iter().position(|device| device.id == id) {
            if !name.is_empty() {
                self.devices[at].name = name;
            }
            return at;
        }
        let longest_away = self.devices.iter().min_by_key(|device| device.seen_unix_s);
        if let Some(away) = longest_away.filter(|_| self.devices.len() >= DEVICES_MAX) {
            let away = away.id.clone();
            self.revoke_device(away.as_str(), writes);
        }
        self.devices.push(Device::new(id, name, now_unix_s));
        self.devices.len() - 1
    }

    fn use_tokens(
        &mut self,
        index: usize,
        used: Option<u64>,
        wish: TokenWish,
        secret: &ServerSecret,
        now_unix_s: u64,
        writes: &mut Vec<Write>,
    ) -> Result<Option<NewToken>, TokenRefused> {
        let account = self.account.to_string();
        let device = &mut self.devices[index];
        let known = device.tokens.clone();
        let id = device.id.clone();
        let holder = TokenHolder { account: &account, device: id.as_str() };
        let token = device.tokens.log_in(used, wish, holder, secret, now_unix_s)?;
        let is_stale = now_unix_s.saturating_sub(device.seen_unix_s) >= DEVICE_SEEN_STEP_S;
        // A device that comes back in a moment, as they do after each gap in their network, has
        // nothing to be stored, and waits for no disk.
        if device.tokens.are_but_for_counts(&known) && !is_stale {
            return Ok(token);
        }
        device.seen_unix_s = now_unix_s;
        let device = &self.devices[index];
        writes.push(self.put(&device.key(), &device.value()));
        Ok(token)
    }

    /// What devices once showed opens nothing any more.
    fn forget_shown(&mut self, shown: &Shown, writes: &mut Vec<Write>) {
        let holds = |device: &&mut Device| device.shown.as_ref() == Some(shown);
        let mut changed = Vec::new();
        for device in self.devices.iter_mut().filter(holds) {
            device.shown = None;
            changed.push((device.key(), device.value()));
        }
        writes.extend(changed.iter().map(|(key, value)| self.put(key, value)));
    }

    /// A log-in without a device's token; once a day is exact enough.
    fn note_seen(&mut self, shown: Option<Shown>, now_unix_s: u64, writes: &mut Vec<Write>) {
        if let Some(Shown::AppPassword(id)) = shown
            && let Some(used) = self.app_passwords.iter_mut().find(|one| one.id == id)
            && now_unix_s.saturating_sub(used.seen_unix_s) >= SEEN_STEP_S
        {
            used.seen_unix_s = now_unix_s;
            let (key, value) = (used.key(), used.value());
            writes.push(self.put(&key, &value));
        }
        if now_unix_s.saturating_sub(self.seen_unix_s) >= SEEN_STEP_S {
            self.seen_unix_s = now_unix_s;
            writes.push(self.put("seen", &value("seen").with_text(now_unix_s.to_string())));
        }
    }

    /// All passwords share one salt, so that a challenge shows nothing of which there are.
    pub(crate) fn salt(&mut self, random: &mut ChaCha20Rng, writes: &mut Vec<Write>) -> Salt {
        if let Some(salt) = self.salt {
            return salt;
        }
        let salt = Salt::draw(random);
        writes.push(self.put("salt", &value("salt").with_text(BASE64.encode(&salt.0))));
        self.salt = Some(salt);
        salt
    }

    fn put(&self, key: &str, value: &Element) -> Write {
        let value = value.to_bytes("");
        Write::Put { account: self.account, feature: FEATURE, key: key.into(), value }
    }

    fn removal(&self, key: &str) -> Write {
        Write::Remove { account: self.account, feature: FEATURE, key: key.into() }
    }
}

fn salt_of(text: &str) -> Option<Salt> {
    BASE64.decode(text.as_bytes()).ok()?.try_into().ok().map(Salt)
}

/// A record's element.
fn value(name: &'static str) -> Element {
    Element::new(name, NS)
}

/// Of records only; it never travels.
const NS: &str = "urn:whimbrel:access:0";
const SEEN_STEP_S: u64 = 24 * 3600;
/// So exactly an owner sees when a device was last there.
const DEVICE_SEEN_STEP_S: u64 = 10 * 60;
