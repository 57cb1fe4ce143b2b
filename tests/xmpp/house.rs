//! A server process for one test, the accounts of the test, and clients that log in.

use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::version::TLS13;

use crate::process::{CONFIG, Process, get, run_well};
use crate::tls_client;
use crate::wire::Wire;
use crate::xml::Element;

const PASSWORD: &str = "correct horse";
/// Whatever a test waits for comes sooner, or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct House {
    pub process: Process,
    tls: Arc<ClientConfig>,
    accounts: u32,
    // Goes last, behind the process that writes to it.
    folder: tempfile::TempDir,
}

impl House {
    /// A server with these keys in `[xmpp]`, and these sections beside the usual ones; `{folder}`
    /// is where it runs.
    pub fn start(xmpp: &str, sections: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), xmpp, sections)
    }

    /// The same where the server runs in this folder.
    pub fn start_in(folder: tempfile::TempDir, xmpp: &str, sections: &str) -> Self {
        Self::serve(folder, xmpp, format!("{CONFIG}{sections}"))
    }

    /// The same where clients come to this address.
    pub fn start_on(address: IpAddr, xmpp: &str) -> Self {
        let listen = format!("[\"{}\"]", SocketAddr::from((address, 0)));
        let config = CONFIG.replace("[\"127.0.0.1:0\"]\n[admin]", &format!("{listen}\n[admin]"));
        assert!(config.contains(&listen), "{config}");
        Self::serve(tempfile::tempdir().unwrap(), xmpp, config)
    }

    fn serve(folder: tempfile::TempDir, xmpp: &str, config: String) -> Self {
        let config = config.replace("[xmpp]\n", &format!("[xmpp]\n{xmpp}\n"));
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let process = Process::serve(folder.path(), &["serve", "-c", "config.toml"]);
        let certificate = folder.path().join("data/tls/self-signed.pem");
        let tls = tls_client::client(&certificate, &TLS13, &[]);
        Self { process, tls, accounts: 0, folder }
    }

    /// Stops, and starts anew with other sections.
    pub fn restart(&mut self, sections: &str) {
        self.process.signal("TERM");
        assert!(self.process.wait().success());
        fs::write(self.folder().join("config.toml"), format!("{CONFIG}{sections}")).unwrap();
        self.process = Process::serve(self.folder.path(), &["serve", "-c", "config.toml"]);
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    /// A new account's bare JID.
    pub fn account(&mut self) -> String {
        let number = format!("+493023125{:03}", self.accounts);
        self.accounts += 1;
        let add = ["account", "add", "-c", "config.toml", &number, "--password", PASSWORD];
        run_well(self.folder(), &add).trim().to_owned()
    }

    /// A stream over TLS that is not logged in.
    pub fn connect(&self) -> Wire {
        Wire::connect(self.process.address("xmpp_tls"), &self.tls).unwrap()
    }

    /// A session of an account, not available yet.
    pub fn log_in(&self, jid: &str) -> Wire {
        let mut wire = self.connect();
        self.authenticate(&mut wire, jid);
        let bind = "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>";
        wire.send(&format!("<iq type='set' id='bind'>{bind}</iq>")).unwrap();
        wire.answer(|it| it.attribute("id") == Some("bind")).unwrap();
        wire
    }

    /// A stream of an account that may be bound or resumed.
    pub fn authenticate(&self, wire: &mut Wire, jid: &str) {
        wire.log_in(jid.split('@').next().unwrap(), PASSWORD).unwrap();
    }

    /// A session that takes messages.
    pub fn come_online(&self, jid: &str) -> Wire {
        let mut wire = self.log_in(jid);
        wire.send("<presence/>").unwrap();
        wire.wait_for(|it| it.name == "presence").unwrap();
        wire
    }

    /// A figure of the server.
    pub fn metric(&self, name: &str) -> f64 {
        let (_, metrics) = get(self.process.address("admin"), "/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    }

    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    /// An HTTP request in the clear; the answer's status and the whole of it.
    pub fn http(&self, head: &str, content: &[u8]) -> (u16, String) {
        use std::io::Read;
        let mut socket = TcpStream::connect(self.process.address("http")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = head.replace('\n', "\r\n");
        let len = content.len();
        write!(
            socket,
            "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n"
        )
        .unwrap();
        socket.write_all(content).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or_else(|| panic!("no answer: {answer:?}")), answer)
    }
}

/// Sends an IQ, and gives its answer.
pub fn ask(wire: &mut Wire, kind: &str, to: &str, payload: &str) -> Element {
    let to = if to.is_empty() { String::new() } else { format!(" to='{to}'") };
    wire.send(&format!("<iq type='{kind}' id='ask'{to}>{payload}</iq>")).unwrap();
    wire.wait_for(|it| it.name == "iq" && it.attribute("id") == Some("ask")).unwrap()
}

/// The condition of an answer that is an error.
pub fn condition(answer: &Element) -> &str {
    assert_eq!(answer.attribute("type"), Some("error"), "{answer:?}");
    &answer.child("error").unwrap().children[0].name
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "it never comes that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
