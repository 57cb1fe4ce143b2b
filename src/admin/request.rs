//! What the command line asks of a server, and what it is told.

use std::net::SocketAddr;
use std::path::PathBuf;

use media_store::{Progress, ProgressUnit};
use serde::{Deserialize, Serialize};

use crate::chat::accounts::command::AccountCommand;

/// A command. Each is one connection's first frame.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Puts the file, whose descriptor comes along, into the store.
    MediaPut(MediaPut),
    /// Reads all objects and compares them with their names.
    MediaVerify,
    /// Collects what nothing refers to.
    MediaGc,
    /// Reads what the background check would, at full speed.
    MediaScrub,
    /// Counts what is there.
    MediaStat,
    /// Does something with accounts.
    Account {
        /// What.
        command_on: AccountCommand,
    },
    /// Copies the data into a folder.
    Backup {
        /// An absolute path.
        folder: PathBuf,
    },
    /// Which parts serve.
    Status,
    /// Hands the listeners and the data over to the asking process.
    TakeOver {
        /// The asking process.
        pid: u32,
    },
}

/// A file for the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaPut {
    /// The file's name.
    pub name: String,
    /// Its media type; the name decides without one.
    pub media_type: Option<String>,
    /// Who refers to the object.
    pub owner: String,
}

/// What a server answers, any number of times until `Done` or `Failed`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step begins.
    Begin {
        /// What is done.
        step: String,
        /// Whether bytes are counted, or items.
        bytes: bool,
        /// How many, where known.
        total: Option<u64>,
    },
    /// So much more is done.
    Advance {
        /// In the step's unit.
        done: u64,
    },
    /// The step has ended.
    End,
    /// The beginning of a line that is longer than a frame.
    LinePart {
        /// What goes before the rest.
        text: String,
    },
    /// A line for the standard output.
    Line {
        /// Without its line feed.
        text: String,
    },
    /// The listeners, whose descriptors come along in this order.
    Listeners {
        /// Where each listens.
        listeners: Vec<(ListenerRole, SocketAddr)>,
    },
    /// The data's lock is free.
    Released,
    /// The command is done.
    Done,
    /// The command failed.
    Failed {
        /// Why, and what to do.
        reason: String,
    },
}

/// What a new process says while it takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakeOverStep {
    /// It is warm: the old one may stop.
    Ready,
    /// It accepts connections: the old one may leave.
    Serving,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ListenerRole {
    /// Plain HTTP.
    Http,
    /// HTTPS.
    Https,
    /// XMPP with STARTTLS.
    Xmpp,
    /// XMPP with TLS from the start.
    XmppTls,
    /// Metrics and health.
    Admin,
}

impl ListenerRole {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Http, Self::Https, Self::Xmpp, Self::XmppTls, Self::Admin];

    /// The role's name, also that of systemd's `FileDescriptorName=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Xmpp => "xmpp",
            Self::XmppTls => "xmpp_tls",
            Self::Admin => "admin",
        }
    }
}

/// Who is told how a command goes: a person at a terminal, or the other end of a socket.
pub trait Report: Progress {
    /// A line of the command's result.
    fn line(&mut self, text: String);
}

/// Whether `unit` counts bytes.
pub(super) fn is_bytes(unit: ProgressUnit) -> bool {
    matches!(unit, ProgressUnit::Bytes)
}
