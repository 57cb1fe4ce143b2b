//! Accounts: a file of JIDs and passwords, a line each.

use std::fs;
use std::path::Path;

use crate::error::BenchError;

use super::fast::Token;
use super::scram::Keys;

/// An account and what its logins have left to be used again.
#[derive(Clone, Debug)]
pub struct Account {
    /// The bare JID.
    pub jid: String,
    pub password: String,
    /// Keys of its password, once derived.
    pub keys: Option<Keys>,
    /// The FAST token of its last login.
    pub token: Option<Token>,
}

impl Account {
    /// An account nobody has logged in to yet.
    pub fn new(jid: impl Into<String>, password: impl Into<String>) -> Self {
        Self { jid: jid.into(), password: password.into(), keys: None, token: None }
    }

    /// The part before the `@`.
    pub fn local(&self) -> &str {
        self.jid.split_once('@').map_or(self.jid.as_str(), |(local, _)| local)
    }
}

/// Reads `JID PASSWORD` lines; empty ones and those that begin with `#` are left out.
///
/// # Errors
/// The file cannot be read, or a line is no account.
pub fn read(path: &Path) -> Result<Vec<Account>, BenchError> {
    let text = fs::read_to_string(path).map_err(BenchError::file(path))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.filter(|line| !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &str) -> Result<Account, BenchError> {
    let refused = || BenchError::Parse { text: line.to_owned(), wanted: "a JID and a password" };
    let (jid, password) = line.split_once([' ', '\t']).ok_or_else(refused)?;
    let (local, domain) = jid.split_once('@').ok_or_else(refused)?;
    // What is written into XML and SASL as it stands must need no escape there.
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['<', '>', '&', '\'', '"']);
    if !is_plain(local) || !is_plain(domain) || local.contains([',', '=']) || domain.contains('/') {
        return Err(refused());
    }
    Ok(Account::new(jid, password.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Option<(&str, &str)>) {
        let parsed = parse(line).ok();
        let seen = parsed.as_ref().map(|account| (account.local(), account.password.as_str()));
        assert_eq!(seen, expected, "{line}");
    }

    #[test]
    fn lines() {
        check("a@b secret", Some(("a", "secret")));
        check("a@b\t two words ", Some(("a", "two words")));
        check("a@b", None);
        check("a secret", None);
        check("a,n=x@b secret", None);
        check("a'@b secret", None);
    }
}
