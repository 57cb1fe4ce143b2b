//! The server's secret: devices' tokens and the salts that strangers are shown come from it. Whoever
//! changes it logs out all devices.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chat_core::sasl::ServerSecret;

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("cannot use {}: {source}; the server must own data_dir", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} has {bytes} bytes, not {}; restore it from a backup", path.display(), ServerSecret::BYTES)]
    Length {
        /// The file.
        path: PathBuf,
        /// What it has.
        bytes: usize,
    },
}

/// Reads the secret of a data folder; the first start makes it.
///
/// # Errors
/// [`SecretError`].
pub fn load_or_make(data_dir: &Path) -> Result<ServerSecret, SecretError> {
    let path = data_dir.join(FOLDER).join(FILE);
    let failed = |source| SecretError::Io { path: path.clone(), source };
    let bytes = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path).map_err(failed)?,
        read => read.map_err(failed)?,
    };
    match <&[u8; ServerSecret::BYTES]>::try_from(bytes.as_slice()) {
        Ok(bytes) => Ok(ServerSecret::new(bytes)),
        Err(_) => Err(SecretError::Length { path, bytes: bytes.len() }),
    }
}

/// Written beside its place and renamed, so that a crash leaves a whole one or none.
fn make(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; ServerSecret::BYTES];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    let unfinished = path.with_extension("new");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(bytes)
}

/// Folder of the data folder that backups take along.
const FOLDER: &str = "secrets";
const FILE: &str = "chat";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_read_ever_after() {
        let folder = tempfile::tempdir().unwrap();
        load_or_make(folder.path()).unwrap();
        let file = folder.path().join(FOLDER).join(FILE);
        let first = std::fs::read(&file).unwrap();
        load_or_make(folder.path()).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), first);
        std::fs::write(&file, "short").unwrap();
        let error = load_or_make(folder.path()).err().unwrap().to_string();
        assert!(error.contains("has 5 bytes, not 32"), "{error}");
    }
}
