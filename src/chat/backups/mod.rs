//! An account's encrypted backup (docs/protocol/backup.md): which of its objects it is, and the
//! password that opens it, which counts ten tries.

mod password;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chat_core::jid::AccountId;
use chat_core::transaction::{Record, Write};
use chat_core::xml::Element;
use data_encoding::BASE64;
use hashbrown::HashMap;
use media_store::Digest;
use tokio::sync::{Mutex, mpsc, oneshot};

use self::password::{Beginning, Kept, Try};
use super::accounts::{AccountError, Owner};
use super::objects::ObjectOrder;

pub use self::password::Malformed;
#[cfg(test)]
pub(super) use self::password::{Random, Suite};

/// Wrong tries at a password; then its record is gone.
pub const TRIES_MAX: u32 = 10;
/// How long a registration or a try may take.
const STEP_WITHIN: Duration = Duration::from_secs(120);
/// Registrations and tries of different accounts under way; one more takes the oldest one's place.
const STEPS_MAX: usize = 1024;

/// What is kept of an account's backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backup {
    /// The newest whole one.
    pub snapshot: Option<Snapshot>,
    /// Tries that are left, where there is a password.
    pub tries: Option<u32>,
}

/// A backup among the account's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// When it was told of, in seconds since 1970.
    pub made_unix_s: u64,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The account has no such object.
    #[error("the account has no object {digest}")]
    NoObject {
        /// Its name.
        digest: Digest,
    },
    /// There is no password, or not any more.
    #[error("there is no password")]
    NoPassword,
    /// It was not begun, or too long ago.
    #[error("it was not begun, or too long ago")]
    NotBegun,
    /// The password is wrong.
    #[error("the password is wrong")]
    Wrong {
        /// Tries that are left.
        tries: u32,
    },
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The keeper of the objects is gone, or busy.
    #[error("others are served now")]
    Busy,
    /// The account cannot be read or written.
    #[error(transparent)]
    Account(#[from] AccountError),
}

/// Backups of all accounts; clones are the same.
#[derive(Clone)]
pub struct Backups {
    objects: mpsc::Sender<ObjectOrder>,
    steps: Arc<Mutex<HashMap<AccountId, Step>>>,
}

/// What an account has begun.
struct Step {
    since: Instant,
    what: Begun,
}

enum Begun {
    Registration(Box<Beginning>),
    /// With what comes back when it is right.
    Try(Try, Box<Kept>, u32),
}

impl Backups {
    /// Backups whose objects are kept by whoever takes these orders.
    pub fn new(objects: mpsc::Sender<ObjectOrder>) -> Self {
        Self { objects, steps: Arc::default() }
    }

    /// What is kept of the account's backup.
    ///
    /// # Errors
    /// [`BackupError::Account`].
    pub async fn show(&self, owner: &Owner) -> Result<Backup, BackupError> {
        let records = owner.records_of(NAME).await?;
        let tries = password_in(&records).map(|(_, tries)| tries);
        Ok(Backup { snapshot: snapshot_in(&records), tries })
    }

    /// This object is the account's backup from now on; the one before is let go.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn set_snapshot(&self, owner: &Owner, digest: Digest) -> Result<(), BackupError> {
        let (account, (reply, kept)) = (owner.account(), oneshot::channel());
        let keep = ObjectOrder::Keep { account, digest, reply };
        self.objects.try_send(keep).map_err(|_| BackupError::Busy)?;
        let bytes = kept.await.map_err(|_| BackupError::Busy)?;
        let bytes = bytes.ok_or(BackupError::NoObject { digest })?;
        let _turn = self.steps.lock().await;
        let before = snapshot_in(&owner.records_of(NAME).await?);
        let element = Element::new("snapshot", NS)
            .with_attr("digest", digest.to_string())
            .with_attr("bytes", bytes.to_string())
            .with_attr("made", owner.now_unix_s().to_string());
        owner.write_records(vec![put(account, SNAPSHOT, &element)]).await?;
        if let Some(before) = before.filter(|before| before.digest != digest) {
            self.drop_object(account, before.digest);
        }
        Ok(())
    }

    /// The account has no backup here any more, and no password.
    ///
    /// # Errors
    /// [`BackupError::Account`].
    pub async fn remove(&self, owner: &Owner) -> Result<(), BackupError> {
        let mut steps = self.steps.lock().await;
        let (account, records) = (owner.account(), owner.records_of(NAME).await?);
        steps.remove(&account);
        owner.write_records(vec![remove(account, SNAPSHOT), remove(account, PASSWORD)]).await?;
        if let Some(snapshot) = snapshot_in(&records) {
            self.drop_object(account, snapshot.digest);
        }
        Ok(())
    }

    /// Begins to set a password. Gives the answer to the app's request.
    ///
    /// # Errors
    /// [`BackupError::Malformed`].
    pub async fn begin_password(
        &self,
        owner: &Owner,
        request: &[u8],
    ) -> Result<Vec<u8>, BackupError> {
        let (beginning, answer) = Beginning::new(request)?;
        let mut steps = self.steps.lock().await;
        note(&mut steps, owner.account(), Begun::Registration(Box::new(beginning)));
        Ok(answer)
    }

    /// Sets the password that was begun.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn set_password(&self, owner: &Owner, record: &[u8]) -> Result<(), BackupError> {
        let mut steps = self.steps.lock().await;
        let Some(Begun::Registration(beginning)) = take(&mut steps, owner.account()) else {
            return Err(BackupError::NotBegun);
        };
        let kept = beginning.finish(record)?;
        Ok(owner.write_records(vec![keep_password(owner.account(), &kept, TRIES_MAX)]).await?)
    }

    /// Takes the password away.
    ///
    /// # Errors
    /// [`BackupError::Account`].
    pub async fn remove_password(&self, owner: &Owner) -> Result<(), BackupError> {
        let mut steps = self.steps.lock().await;
        steps.remove(&owner.account());
        Ok(owner.write_records(vec![remove(owner.account(), PASSWORD)]).await?)
    }

    /// Begins a try at the password, which counts from now on: that is on disk before the answer
    /// is given. Says how many are left.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn begin_try(
        &self,
        owner: &Owner,
        request: &[u8],
    ) -> Result<(Vec<u8>, u32), BackupError> {
        // One after the other, or two would be counted as one.
        let mut steps = self.steps.lock().await;
        let account = owner.account();
        let found = password_in(&owner.records_of(NAME).await?);
        let (kept, tries) = found.ok_or(BackupError::NoPassword)?;
        let (attempt, answer) = kept.try_once(request)?;
        let left = tries.saturating_sub(1);
        // With the last one the record goes; if that one is right it comes back.
        let write = match left {
            0 => remove(account, PASSWORD),
            left => keep_password(account, &kept, left),
        };
        owner.write_records(vec![write]).await?;
        note(&mut steps, account, Begun::Try(attempt, Box::new(kept), left));
        Ok((answer, left))
    }

    /// Ends a try. After a right one all tries count anew.
    ///
    /// # Errors
    /// [`BackupError`].
    pub async fn finish_try(&self, owner: &Owner, finalization: &[u8]) -> Result<(), BackupError> {
        let mut steps = self.steps.lock().await;
        let Some(Begun::Try(attempt, kept, tries)) = take(&mut steps, owner.account()) else {
            return Err(BackupError::NotBegun);
        };
        match attempt.proves(finalization) {
            true => {
                let write = keep_password(owner.account(), &kept, TRIES_MAX);
                Ok(owner.write_records(vec![write]).await?)
            }
            false => Err(BackupError::Wrong { tries }),
        }
    }

    /// What does not reach the keeper now is the account's until its quota is looked at.
    fn drop_object(&self, account: AccountId, digest: Digest) {
        if self.objects.try_send(ObjectOrder::Drop { account, digest }).is_err() {
            tracing::warn!(%digest, "an old backup was not let go");
        }
    }
}

/// Who has it can guess at the password without being counted.
pub fn is_secret(record: &Record) -> bool {
    *record.feature == *NAME && *record.key == *PASSWORD
}

fn note(steps: &mut HashMap<AccountId, Step>, account: AccountId, what: Begun) {
    steps.retain(|_, step| step.since.elapsed() < STEP_WITHIN);
    if steps.len() >= STEPS_MAX {
        let oldest = steps.iter().min_by_key(|(_, step)| step.since).map(|(account, _)| *account);
        oldest.and_then(|oldest| steps.remove(&oldest));
    }
    steps.insert(account, Step { since: Instant::now(), what });
}

fn take(steps: &mut HashMap<AccountId, Step>, account: AccountId) -> Option<Begun> {
    let step = steps.remove(&account)?;
    (step.since.elapsed() < STEP_WITHIN).then_some(step.what)
}

fn snapshot_in(records: &[Record]) -> Option<Snapshot> {
    let element = element_in(records, SNAPSHOT)?;
    Some(Snapshot {
        digest: element.attr("digest")?.parse().ok()?,
        bytes: element.attr("bytes")?.parse().ok()?,
        made_unix_s: element.attr("made")?.parse().ok()?,
    })
}

fn password_in(records: &[Record]) -> Option<(Kept, u32)> {
    let element = element_in(records, PASSWORD)?;
    let kept = BASE64.decode(element.text().as_bytes()).ok()?;
    Some((Kept::parse(&kept).ok()?, element.attr("tries")?.parse().ok()?))
}

fn element_in(records: &[Record], key: &str) -> Option<Element> {
    let record = records.iter().find(|record| *record.key == *key)?;
    Element::parse(&record.value, NS).ok()
}

fn keep_password(account: AccountId, kept: &Kept, tries: u32) -> Write {
    let element = Element::new("password", NS)
        .with_attr("tries", tries.to_string())
        .with_text(BASE64.encode(&kept.to_bytes()));
    put(account, PASSWORD, &element)
}

fn put(account: AccountId, key: &str, element: &Element) -> Write {
    Write::Put { account, feature: NAME, key: key.into(), value: element.to_bytes("") }
}

fn remove(account: AccountId, key: &str) -> Write {
    Write::Remove { account, feature: NAME, key: key.into() }
}

/// Whose records they are.
const NAME: &str = "backup";
const NS: &str = "urn:whimbrel:backup:0";
const SNAPSHOT: &str = "backup-snapshot";
const PASSWORD: &str = "backup-password";
