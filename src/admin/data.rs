//! What lies where under data_dir.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Folders of certificates and keys: what a backup takes beside the media.
pub(super) const KEY_FOLDERS: [&str; 2] = ["tls", "secrets"];

const FOLDER_MODE: u32 = 0o700;

/// The data folder's layout.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
    chats: Option<PathBuf>,
}

impl DataDir {
    /// The layout under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), chats: None }
    }

    /// With the chats in this file, which may lie elsewhere.
    pub fn with_chats(self, database: PathBuf) -> Self {
        Self { chats: Some(database), ..self }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the folder if it is missing. Only its owner may look into it.
    pub fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&self.root)
    }

    /// The media store.
    pub fn media(&self) -> PathBuf {
        self.root.join("media")
    }

    /// The chats' database, where it is known.
    pub fn chats(&self) -> Option<&Path> {
        self.chats.as_deref()
    }

    /// The socket for the command line.
    pub fn socket(&self) -> PathBuf {
        self.root.join("admin.sock")
    }

    /// Whether a server answers on the socket.
    pub fn is_served(&self) -> bool {
        UnixStream::connect(self.socket()).is_ok()
    }
}
