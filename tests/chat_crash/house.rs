//! The server that dies, the disk that it leaves its data on, and the accounts that outlive it.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use faulty_fs::{ForgetfulFs, Mounted};

use crate::device::Login;
use crate::process::{CONFIG, Process};
use crate::prosody::Prosody;
use crate::server::{self, add_account, doors_of};

const ACCOUNTS: usize = 6;
const PASSWORD: &str = "secret";
const SERVE: [&str; 3] = ["serve", "-c", "config.toml"];

pub struct House {
    accounts: Vec<Login>,
    server: Option<Running>,
    /// The disk that forgets, while it is there.
    disk: Option<Mounted>,
    // Goes last: the others lie in it.
    folder: tempfile::TempDir,
}

enum Running {
    Whimbrel(Process),
    Prosody(Prosody),
}

impl House {
    /// Everything on an ordinary disk: only processes die.
    pub fn on_a_disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.toml"), CONFIG).unwrap();
        Self::started(Self { accounts: Vec::new(), server: None, disk: None, folder })
    }

    /// The data on a disk whose power can be cut.
    pub fn on_a_forgetful_disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["disk", "mount"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let config = format!("data_dir = \"mount/data\"\n{CONFIG}");
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let disk = Some(mount(folder.path()));
        let mut house = Self::started(Self { accounts: Vec::new(), server: None, disk, folder });
        // What was made at the first start, the certificate among it, lies on the disk.
        house.kill();
        house.disk.take().unwrap().unmount().unwrap();
        house.start();
        house
    }

    fn started(mut self) -> Self {
        self.start();
        let login = |jid| Login { jid, password: PASSWORD.to_owned() };
        self.accounts = (0..ACCOUNTS)
            .map(|number| match self.server.as_ref().unwrap() {
                Running::Whimbrel(_) => {
                    let phone = format!("+493023125{number:03}");
                    login(add_account(self.folder.path(), &phone, PASSWORD))
                }
                Running::Prosody(prosody) => {
                    login(prosody.add_account(&format!("u{number}"), PASSWORD))
                }
            })
            .collect();
        self
    }

    pub fn accounts(&self) -> Vec<Login> {
        self.accounts.clone()
    }

    pub fn certificate(&self) -> PathBuf {
        let path = match (&self.server, &self.disk) {
            (Some(Running::Prosody(_)), _) => "certificate.pem",
            (_, None) => "data/tls/self-signed.pem",
            (_, Some(_)) => "mount/data/tls/self-signed.pem",
        };
        self.folder.path().join(path)
    }

    /// Where XMPP is spoken over TLS.
    pub fn door(&self) -> SocketAddr {
        match self.server.as_ref().unwrap() {
            Running::Whimbrel(process) => doors_of(process).direct_tls,
            Running::Prosody(prosody) => prosody.doors.direct_tls,
        }
    }

    /// Where the server runs.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The process that runs now, where it is Whimbrel's.
    pub fn pid(&self) -> Option<u32> {
        match self.server.as_ref()? {
            Running::Whimbrel(process) => Some(process.pid()),
            Running::Prosody(_) => None,
        }
    }

    /// What the server that runs now has logged.
    pub fn log(&self) -> String {
        match &self.server {
            Some(Running::Whimbrel(process)) => process.log(),
            _ => String::new(),
        }
    }

    /// Starts the server, with the disk if its power was cut.
    pub fn start(&mut self) {
        let path = self.folder.path();
        if self.disk.is_none() && path.join("mount").exists() {
            self.disk = Some(mount(path));
        }
        match &mut self.server {
            Some(Running::Prosody(prosody)) => prosody.start_again(),
            None if server::is_prosody() => {
                self.server = Some(Running::Prosody(Prosody::start(path)));
            }
            _ => self.server = Some(Running::Whimbrel(Process::serve(path, &SERVE))),
        }
    }

    /// Kills the server with SIGKILL.
    pub fn kill(&mut self) {
        match &mut self.server {
            Some(Running::Prosody(prosody)) => prosody.kill(),
            server => *server = None,
        }
    }

    /// Freezes the disk, kills the server, and forgets what was not synced; with a chance, some of
    /// it survives.
    pub fn cut_power(&mut self, chance: Option<u64>) {
        let disk = self.disk.take().unwrap();
        disk.freeze();
        self.kill();
        match chance {
            None => disk.power_cut().unwrap(),
            Some(seed) => disk.power_cut_with(seed).unwrap(),
        }
    }

    /// Has a new process take over.
    pub fn hand_over(&mut self) {
        let Some(Running::Whimbrel(mut old)) = self.server.take() else { unreachable!() };
        let take_over = ["serve", "--take-over", "-c", "config.toml"];
        let new = Process::serve(self.folder.path(), &take_over);
        assert_eq!(doors_of(&new).direct_tls, doors_of(&old).direct_tls);
        assert!(old.wait().success(), "{}", old.log());
        self.server = Some(Running::Whimbrel(new));
    }
}

fn mount(folder: &Path) -> Mounted {
    ForgetfulFs::mount(&folder.join("disk"), &folder.join("mount")).unwrap()
}
