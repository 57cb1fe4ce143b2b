//! `whimbrel account …`: what an operator does with accounts.

use std::fmt;
use std::time::SystemTime;

use chat_core::access::{Access, random_password};
use chat_core::date_time;
use chat_core::features::reporting::{self, Report};
use chat_core::jid::AccountId;
use chat_core::sasl::PasswordError;
use chat_core::transaction::{Answer, Query, StorageError, Write};
use chat_core::verification::{NumberError, PhoneNumber, Region};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use super::export::Export;
use super::{Books, Found, NoRandom, random_bytes};

/// What is to be done. `user` is a number, or an account's id or JID.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "account", rename_all = "snake_case", deny_unknown_fields)]
pub enum AccountCommand {
    /// Makes an account.
    Add {
        /// Any possible number: the operator knows whose it is.
        number: String,
        /// With this password.
        password: Option<Password>,
    },
    /// Shows all accounts.
    List,
    /// Deletes an account and all that belongs to it.
    Remove {
        /// Whose.
        user: String,
    },
    /// Sets the password; without one, a random one is made and shown.
    Password {
        /// Whose.
        user: String,
        /// The password.
        password: Option<Password>,
    },
    /// Gives the account another number, or takes its own away.
    Number {
        /// Whose.
        user: String,
        /// The number.
        number: Option<String>,
    },
    /// Shows all that is kept of the account, but for what opens it, as JSON.
    Export {
        /// Whose.
        user: String,
    },
    /// Shows whom accounts have reported, and why (XEP-0377).
    Reports,
}

/// A password on its way; no log shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(pub String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum AccountCommandError {
    /// A text is no number.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// The password cannot be set.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Somebody has the number.
    #[error("{number} is the number of {jid}; remove that account, or give it another number")]
    NumberTaken {
        /// The number.
        number: PhoneNumber,
        /// Whose it is.
        jid: String,
    },
    /// Nobody is called so.
    #[error("there is no account {user}; `whimbrel account list` shows all")]
    NoAccount {
        /// As it was called.
        user: String,
    },
    /// There are no random bytes.
    #[error(transparent)]
    NoRandom(#[from] NoRandom),
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What commands go by.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The domain of all accounts' JIDs.
    pub domain: String,
    /// Numbers without a country code are of this country.
    pub region: Option<Region>,
}

impl Desk {
    /// Carries a command out; `line` takes each line of its result.
    ///
    /// # Errors
    /// [`AccountCommandError`]; nothing has changed then.
    pub fn carry_out(
        &self,
        books: &mut dyn Books,
        command: &AccountCommand,
        line: &mut dyn FnMut(String),
    ) -> Result<(), AccountCommandError> {
        match command {
            AccountCommand::Add { number, password } => {
                line(self.add(books, number, password.as_ref())?);
            }
            AccountCommand::List => self.list(books, line)?,
            AccountCommand::Remove { user } => {
                let account = self.find(books, user)?.account;
                books.write(account, vec![Write::DeleteAccount { account }], true)?;
                line(format!("{} is removed", self.jid(account)));
            }
            AccountCommand::Password { user, password } => {
                self.set_password(books, user, password.as_ref(), line)?;
            }
            AccountCommand::Number { user, number } => {
                line(self.set_number(books, user, number.as_deref())?);
            }
            AccountCommand::Export { user } => self.export(books, user, line)?,
            AccountCommand::Reports => self.reports(books, line)?,
        }
        Ok(())
    }

    fn add(
        &self,
        books: &mut dyn Books,
        number: &str,
        password: Option<&Password>,
    ) -> Result<String, AccountCommandError> {
        let number = self.free_number(books, number)?;
        let account = AccountId::from_random(u64::from_ne_bytes(random_bytes()?));
        let number = Some(number.to_string().into());
        let created_unix_ms = unix_ms();
        let mut writes = vec![Write::CreateAccount { account, number, created_unix_ms }];
        if let Some(Password(password)) = password {
            Access::load(account, &[]).set_password(password, &mut random()?, &mut writes)?;
        }
        books.write(account, writes, false)?;
        Ok(self.jid(account))
    }

    fn list(
        &self,
        books: &mut dyn Books,
        line: &mut dyn FnMut(String),
    ) -> Result<(), AccountCommandError> {
        let mut after = None;
        loop {
            let page = books.list(after, PAGE_ACCOUNTS)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.account);
            for listed in &page {
                let number = listed.number.as_deref().unwrap_or("-");
                line(format!("{}  {number}", self.jid(listed.account)));
            }
        }
    }

    /// A line for each report; the oldest of an account first.
    fn reports(
        &self,
        books: &mut dyn Books,
        line: &mut dyn FnMut(String),
    ) -> Result<(), AccountCommandError> {
        let mut after = None;
        loop {
            let page = books.list(after, PAGE_REPORTERS)?;
            let (Some(first), Some(last)) = (page.first(), page.last()) else { return Ok(()) };
            let records = books.records(reporting::NAME, first.account, last.account)?;
            after = Some(last.account);
            for (account, record) in &records {
                if let Some(report) = Report::of_record(record) {
                    line(self.report(*account, &report));
                }
            }
        }
    }

    fn report(&self, account: AccountId, report: &Report) -> String {
        let at = date_time::format(report.at_unix_ms);
        let reason = report.reason.strip_prefix("urn:xmpp:reporting:").unwrap_or(&report.reason);
        let jid = self.jid(account);
        let mut line = format!("{at}  {jid} reports {}: {reason}", report.jid);
        for (before, text) in [("; ", &report.text), ("; messages ", &report.messages.join(", "))] {
            if !text.is_empty() {
                line.push_str(before);
                line.push_str(text);
            }
        }
        // What a client wrote shall not steer the operator's terminal.
        line.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).collect()
    }

    fn set_password(
        &self,
        books: &mut dyn Books,
        user: &str,
        password: Option<&Password>,
        line: &mut dyn FnMut(String),
    ) -> Result<(), AccountCommandError> {
        let found = self.find(books, user)?;
        let mut access = Access::load(found.account, &found.records);
        let (mut random, mut writes) = (random()?, Vec::new());
        let made = password.is_none().then(|| random_password(&mut random));
        let text = password.map(|Password(text)| text).or(made.as_ref());
        access.set_password(text.map_or("", String::as_str), &mut random, &mut writes)?;
        // Who knew the old one is out.
        books.write(found.account, writes, true)?;
        made.into_iter().for_each(line);
        Ok(())
    }

    fn set_number(
        &self,
        books: &mut dyn Books,
        user: &str,
        number: Option<&str>,
    ) -> Result<String, AccountCommandError> {
        let account = self.find(books, user)?.account;
        let number = number.map(|number| self.free_number(books, number)).transpose()?;
        let shown = number.map_or("no number".to_owned(), |number| number.to_string());
        let number = number.map(|number| number.to_string().into());
        books.write(account, vec![Write::SetNumber { account, number }], false)?;
        Ok(format!("{} has {shown}", self.jid(account)))
    }

    fn export(
        &self,
        books: &mut dyn Books,
        user: &str,
        line: &mut dyn FnMut(String),
    ) -> Result<(), AccountCommandError> {
        let account = self.find(books, user)?.account;
        let Answer::Account(Some(stored)) = books.ask(Query::Account(account))? else {
            return Err(AccountCommandError::NoAccount { user: user.to_owned() });
        };
        let (mut export, begun) = Export::begin(account, &self.jid(account), &stored, "");
        line(begun);
        while let Some(question) = export.question() {
            let piece = export.take(books.ask(question)?);
            piece.trim_start().lines().for_each(|text| line(text.to_owned()));
        }
        Ok(())
    }

    /// By a JID, an id, or a number as people write it.
    fn find(&self, books: &mut dyn Books, user: &str) -> Result<Found, AccountCommandError> {
        let no_account = || AccountCommandError::NoAccount { user: user.to_owned() };
        let own = user.strip_suffix(self.domain.as_str()).and_then(|user| user.strip_suffix('@'));
        let user = own.unwrap_or(user);
        if AccountId::parse(user).is_ok()
            && let Some(found) = books.find(user)?
        {
            return Ok(found);
        }
        let number = PhoneNumber::parse(user, self.region).map_err(|_| no_account())?;
        books.find(&number.to_string())?.ok_or_else(no_account)
    }

    fn free_number(
        &self,
        books: &mut dyn Books,
        number: &str,
    ) -> Result<PhoneNumber, AccountCommandError> {
        let number = PhoneNumber::parse(number, self.region)?;
        match books.find(&number.to_string())? {
            None => Ok(number),
            Some(found) => {
                Err(AccountCommandError::NumberTaken { number, jid: self.jid(found.account) })
            }
        }
    }

    fn jid(&self, account: AccountId) -> String {
        format!("{account}@{}", self.domain)
    }
}

fn random() -> Result<ChaCha20Rng, NoRandom> {
    Ok(ChaCha20Rng::from_seed(random_bytes()?))
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// Accounts that are read at once.
const PAGE_ACCOUNTS: u32 = 512;
/// Accounts whose reports are read at once.
const PAGE_REPORTERS: u32 = 64;

#[cfg(test)]
mod tests {
    use chat_core::transaction::Item;

    use super::*;
    use crate::chat::storage::Offline;

    struct Bench {
        desk: Desk,
        books: Offline,
        _folder: tempfile::TempDir,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let books = Offline::open(&folder.path().join("chat.db")).unwrap();
            let desk = Desk { domain: "chat.example".to_owned(), region: "US".parse().ok() };
            Self { desk, books, _folder: folder }
        }

        fn run(&mut self, command: AccountCommand) -> Result<Vec<String>, String> {
            let mut lines = Vec::new();
            let done = self.desk.carry_out(&mut self.books, &command, &mut |line| lines.push(line));
            done.map(|()| lines).map_err(|error| error.to_string())
        }

        fn add(&mut self, number: &str) -> Result<String, String> {
            let password = Some(Password("correct horse".to_owned()));
            let added = self.run(AccountCommand::Add { number: number.to_owned(), password });
            added.map(|lines| lines.concat())
        }
    }

    #[test]
    fn an_account_from_its_making_to_its_end() {
        let mut bench = Bench::new();
        let jid = bench.add("(555) 010-0123").unwrap();
        assert!(jid.ends_with("@chat.example"), "{jid}");
        let taken = bench.add("+15550100123").unwrap_err();
        assert!(taken.starts_with(&format!("+15550100123 is the number of {jid}")), "{taken}");
        let listed = bench.run(AccountCommand::List).unwrap();
        assert_eq!(listed, [format!("{jid}  +15550100123")]);
        let account = AccountId::parse(jid.split('@').next().unwrap()).unwrap();
        let items = (0..40).map(|number| Write::PutItem {
            account,
            node: "urn:xmpp:bookmarks:1".into(),
            item: Item {
                id: format!("{number:02}").into(),
                publisher: jid.as_str().into(),
                published_unix_ms: 1_790_000_000_000,
                payload: "<conference xmlns='urn:xmpp:bookmarks:1'/>".into(),
            },
            items_max: 100,
        });
        bench.books.write(account, items.collect(), false).unwrap();
        let number = Some("+15550100124".to_owned());
        bench.run(AccountCommand::Number { user: jid.clone(), number }).unwrap();
        let user = "555 010 0124".to_owned();
        let export = bench.run(AccountCommand::Export { user: user.clone() }).unwrap().concat();
        assert!(export.contains("+15550100124") && !export.contains("SCRAM"), "{export}");
        let export: serde_json::Value = serde_json::from_str(&export).unwrap();
        let items = export["items"].as_array().unwrap();
        let ids: Vec<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!((ids.len(), ids[39], &items[39]["publisher"]), (40, "39", &jid.as_str().into()));
        assert_eq!(export["messages"], serde_json::json!([]));
        let made = bench.run(AccountCommand::Password { user: user.clone(), password: None });
        assert_eq!(made.unwrap()[0].len(), 23);
        bench.run(AccountCommand::Remove { user: user.clone() }).unwrap();
        let gone = bench.run(AccountCommand::Remove { user }).unwrap_err();
        assert!(gone.starts_with("there is no account 555 010 0124"), "{gone}");
        assert_eq!(bench.run(AccountCommand::List).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn reports_are_shown_and_cannot_steer_a_terminal() {
        let mut bench = Bench::new();
        let jid = bench.add("+15550100123").unwrap();
        bench.add("+15550100124").unwrap();
        let account = AccountId::parse(jid.split('@').next().unwrap()).unwrap();
        let value = "<report xmlns='urn:whimbrel:reporting:0' at='1790000000000' \
            jid='m@chat.example' reason='urn:xmpp:reporting:spam'><text>buy&#10;now</text>\
            <message id='1a0c'/></report>";
        let put = |feature, value: &'static str| {
            let (key, value) = ("k".into(), value.as_bytes().into());
            Write::Put { account, feature, key, value }
        };
        let writes = vec![put(reporting::NAME, value), put("roster", "<item/>")];
        bench.books.write(account, writes, false).unwrap();
        let text = "m@chat.example: spam; buy now; messages 1a0c";
        assert_eq!(
            bench.run(AccountCommand::Reports).unwrap(),
            [format!("2026-09-21T14:13:20.000Z  {jid} reports {text}")]
        );
    }

    #[test]
    fn the_password_opens_the_account_and_no_log_shows_it() {
        let mut bench = Bench::new();
        let jid = bench.add("+15550100123").unwrap();
        let id = jid.split('@').next().unwrap();
        let found = bench.books.find(id).unwrap().unwrap();
        assert!(Access::load(found.account, &found.records).has_password());
        assert_eq!(format!("{:?}", Password("x".to_owned())), "…");
    }
}
