//! The server that clients speak to, with accounts of its own and a folder that goes with it.
//!
//! `WHIMBREL_TEST_SERVER=prosody` tries the tests themselves on Debian's Prosody: what fails there
//! too may be the test's fault.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::process::{self, CONFIG, Process};
use crate::prosody::Prosody;

/// Someone who may log in.
#[derive(Clone, Debug)]
pub struct Account {
    /// The bare address.
    pub jid: String,
    /// What it also logs in by.
    pub number: String,
    pub password: String,
}

/// Where clients connect.
#[derive(Clone, Copy, Debug)]
pub struct Doors {
    /// XMPP with STARTTLS.
    pub starttls: SocketAddr,
    /// XMPP with TLS from the start.
    pub direct_tls: SocketAddr,
    /// HTTP, with the WebSocket.
    pub http: SocketAddr,
}

pub struct Server {
    pub doors: Doors,
    kind: Kind,
    accounts: AtomicU64,
    // Goes last, behind the process that writes to it.
    folder: tempfile::TempDir,
}

enum Kind {
    Whimbrel(Process),
    Prosody(Prosody),
}

impl Server {
    /// The server that the environment names.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (kind, doors) = match is_prosody() {
            true => {
                let prosody = Prosody::start(folder.path());
                let doors = prosody.doors;
                (Kind::Prosody(prosody), doors)
            }
            false => {
                fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
                let process = Process::serve(folder.path(), &["serve", "-c", "config.toml"]);
                let doors = doors_of(&process);
                (Kind::Whimbrel(process), doors)
            }
        };
        Self { doors, kind, accounts: AtomicU64::new(0), folder }
    }

    /// Kills it with SIGKILL and starts it anew, at other doors.
    pub fn kill_and_start(&mut self) {
        let path = self.folder.path();
        match &mut self.kind {
            Kind::Whimbrel(process) => {
                process.signal("KILL");
                process.wait();
                *process = Process::serve(path, &["serve", "-c", "config.toml"]);
                self.doors = doors_of(process);
            }
            Kind::Prosody(prosody) => {
                prosody.kill();
                prosody.start_again();
            }
        }
    }

    /// A new account.
    pub fn account(&self) -> Account {
        self.account_with("correct horse")
    }

    pub fn account_with(&self, password: &str) -> Account {
        // A range that is kept for films: Berlin 23125 000 to 999.
        let serial = self.accounts.fetch_add(1, Ordering::Relaxed);
        assert!(serial < 1000, "more accounts than numbers");
        let number = format!("+493023125{serial:03}");
        let jid = match &self.kind {
            Kind::Whimbrel(_) => add_account(self.folder.path(), &number, password),
            Kind::Prosody(prosody) => prosody.add_account(&format!("u{serial:03}"), password),
        };
        Account { jid, number, password: password.to_owned() }
    }

    /// The certificate that its clients must trust.
    pub fn certificate(&self) -> PathBuf {
        match self.kind {
            Kind::Whimbrel(_) => self.folder.path().join("data/tls/self-signed.pem"),
            Kind::Prosody(_) => self.folder.path().join("certificate.pem"),
        }
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Whether the tests try themselves on Prosody.
pub fn is_prosody() -> bool {
    std::env::var("WHIMBREL_TEST_SERVER").is_ok_and(|name| name == "prosody")
}

/// Adds an account by the command, and gives its JID.
pub fn add_account(folder: &Path, number: &str, password: &str) -> String {
    let command = ["account", "add", number, "--password", password, "-c", "config.toml"];
    process::run_well(folder, &command).trim().to_owned()
}

pub fn doors_of(process: &Process) -> Doors {
    Doors {
        starttls: process.address("xmpp"),
        direct_tls: process.address("xmpp_tls"),
        http: process.address("http"),
    }
}
