//! Debian's Prosody with a folder of its own, to try the tests on a server that others wrote.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::server::Doors;

/// A Prosody that is killed when the test drops it.
pub struct Prosody {
    pub doors: Doors,
    folder: PathBuf,
    child: Child,
}

impl Prosody {
    pub fn start(folder: &Path) -> Self {
        let [starttls, direct_tls, http] = free_addresses();
        let doors = Doors { starttls, direct_tls, http };
        fs::create_dir_all(folder.join("data/localhost/accounts")).unwrap();
        write_certificate(folder);
        fs::write(folder.join("prosody.cfg.lua"), config(folder, &doors)).unwrap();
        let child = spawn(folder);
        let mut prosody = Self { doors, folder: folder.to_owned(), child };
        prosody.wait_until_it_listens();
        prosody
    }

    pub fn add_account(&self, name: &str, password: &str) -> String {
        let file = self.folder.join(format!("data/localhost/accounts/{name}.dat"));
        fs::write(file, format!("return {{ [\"password\"] = {password:?}; }};\n")).unwrap();
        format!("{name}@localhost")
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it on the same data and addresses.
    pub fn start_again(&mut self) {
        self.child = spawn(&self.folder);
        self.wait_until_it_listens();
    }

    fn wait_until_it_listens(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(self.doors.starttls).is_err() {
            let ended = self.child.try_wait().unwrap();
            let is_late = begun.elapsed() > Duration::from_secs(20);
            if is_late || ended.is_some() {
                let log = fs::read_to_string(self.folder.join("prosody.log"));
                panic!("prosody does not listen ({ended:?}): {log:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Prosody {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("prosody.log")).unwrap();
    Command::new("prosody")
        .args(["-F", "--config"])
        .arg(folder.join("prosody.cfg.lua"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .expect("prosody is installed")
}

/// Prosody cannot say which port the system gave it, so it is told one that is free just now.
fn free_addresses() -> [SocketAddr; 3] {
    let listeners = [0; 3].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

fn write_certificate(folder: &Path) {
    let names = ["localhost".to_owned(), "upload.localhost".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

fn config(folder: &Path, doors: &Doors) -> String {
    let (folder, http) = (folder.display(), doors.http.port());
    let (starttls, direct_tls) = (doors.starttls.port(), doors.direct_tls.port());
    format!(
        r#"
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {starttls} }}
c2s_direct_tls_ports = {{ {direct_tls} }}
http_ports = {{ {http} }}
https_ports = {{ }}
modules_disabled = {{ "s2s" }}
modules_enabled = {{
    "roster", "saslauth", "tls", "disco", "carbons", "pep", "private", "blocklist", "vcard4",
    "vcard_legacy", "version", "time", "ping", "mam", "smacks", "csi", "csi_simple", "bookmarks",
    "websocket",
}}
authentication = "internal_plain"
c2s_require_encryption = true
consider_websocket_secure = true
cross_domain_websocket = true
ssl = {{ certificate = "{folder}/certificate.pem", key = "{folder}/key.pem" }}
log = {{ info = "*console" }}
limits = {{ }}
http_external_url = "http://localhost:{http}/"
VirtualHost "localhost"
Component "upload.localhost" "http_file_share"
    http_host = "localhost"
"#
    )
}
