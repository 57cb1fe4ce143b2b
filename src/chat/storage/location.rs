//! `[store]`: where chats are kept.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::OpenError;

/// The database's file name in `data_dir`.
pub const DATABASE_FILE: &str = "chat.db";
const SCHEME: &str = "sqlite:";

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite:` for `chat.db` in `data_dir`, or `sqlite:PATH` for another file.
    pub url: String,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: SCHEME.to_owned() }
    }
}

impl StoreConfig {
    /// Makes a relative path one below `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        if let Some(path) = self.url.strip_prefix(SCHEME).filter(|path| !path.is_empty())
            && let Some(path) = folder.join(path).to_str()
        {
            self.url = format!("{SCHEME}{path}");
        }
    }

    /// The database's file.
    ///
    /// # Errors
    /// [`OpenError::Scheme`] where the URL means another kind of storage.
    pub fn database(&self, data_dir: &Path) -> Result<PathBuf, OpenError> {
        match self.url.strip_prefix(SCHEME) {
            Some("") => Ok(data_dir.join(DATABASE_FILE)),
            // SQLite reads options out of a name that begins so.
            Some(path) if !path.starts_with(':') && !path.starts_with("file:") => Ok(path.into()),
            _ => Err(OpenError::Scheme { url: self.url.clone() }),
        }
    }
}

/// The database's file and those that SQLite keeps beside it.
pub fn files_of(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<&str>) {
        let mut config = StoreConfig { url: url.to_owned() };
        config.resolve(Path::new("/etc/whimbrel"));
        let database = config.database(Path::new("/data")).ok();
        assert_eq!(database.as_deref(), expected.map(Path::new), "{url}");
    }

    #[test]
    fn files_of_sqlite_are_named() {
        check("sqlite:", Some("/data/chat.db"));
        check("sqlite:/var/lib/c.db", Some("/var/lib/c.db"));
        check("sqlite:c.db", Some("/etc/whimbrel/c.db"));
    }

    #[test]
    fn other_storage_is_refused() {
        for url in ["", "postgres://localhost/chat", "chat.db"] {
            check(url, None);
        }
        let error = StoreConfig { url: "mysql:".into() }.database(Path::new("")).unwrap_err();
        assert!(error.to_string().contains("\"sqlite:\" or \"sqlite:PATH\""), "{error}");
    }
}
