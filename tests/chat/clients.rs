//! Clients on slixmpp, and what tests ask of them; tests/clients/xmpp speaks the protocol.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server::{Account, Server};

/// Whatever a test waits for comes sooner, or not at all.
const WAIT: Duration = Duration::from_secs(10);
/// Longer than a command may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// The process that all clients live in.
pub struct Clients {
    child: Child,
    commands: Mutex<ChildStdin>,
    heard: Arc<Heard>,
    serial: AtomicU64,
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    answers: HashMap<u64, Value>,
    /// By client, oldest first.
    events: HashMap<u64, Vec<Event>>,
    has_ended: bool,
}

#[derive(Clone, Debug)]
struct Event {
    name: String,
    what: Value,
}

impl Clients {
    /// Starts the process; its clients trust this certificate.
    pub fn start(python: &str, certificate: &Path) -> Self {
        let mut child = Command::new(python)
            .arg(folder().join("xmpp"))
            .env("SSL_CERT_FILE", certificate)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = Mutex::new(child.stdin.take().unwrap());
        let (heard, lines) = (Arc::<Heard>::default(), child.stdout.take().unwrap());
        let told = heard.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(lines).lines().map_while(Result::ok) {
                told.hear(serde_json::from_str(&line).unwrap());
            }
            told.end();
        });
        Self { child, commands, heard, serial: AtomicU64::new(1) }
    }

    fn next(&self) -> u64 {
        self.serial.fetch_add(1, Ordering::Relaxed)
    }

    fn command(&self, client: u64, what: &str, with: Value) -> Result<Value, Value> {
        let id = self.next();
        let line = json!({ "id": id, "client": client, "do": what, "with": with });
        writeln!(self.commands.lock().unwrap(), "{line}").unwrap();
        let answer = self.heard.wait(ANSWER_WAIT, |lines| lines.answers.remove(&id));
        let answer = answer.unwrap_or_else(|| panic!("no answer to {line}"));
        match answer.get("ok") {
            Some(ok) => Ok(ok.clone()),
            None => Err(answer["refused"].clone()),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Heard {
    fn hear(&self, line: Value) {
        let mut lines = self.lines.lock().unwrap();
        match (line["id"].as_u64(), line["event"].as_str()) {
            (Some(id), _) => drop(lines.answers.insert(id, line)),
            (None, Some(name)) => {
                let client = line["client"].as_u64().unwrap();
                let event = Event { name: name.to_owned(), what: line["what"].clone() };
                lines.events.entry(client).or_default().push(event);
            }
            (None, None) => panic!("{line}"),
        }
        self.more.notify_all();
    }

    fn end(&self) {
        self.lines.lock().unwrap().has_ended = true;
        self.more.notify_all();
    }

    fn wait<T>(&self, limit: Duration, mut look: impl FnMut(&mut Lines) -> Option<T>) -> Option<T> {
        let until = Instant::now() + limit;
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(found) = look(&mut lines) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.has_ended {
                return None;
            }
            lines = self.more.wait_timeout(lines, left).unwrap().0;
        }
    }
}

/// How a client logs in.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    pub resource: &'a str,
    pub tls: Tls,
    /// `None`: the client chooses.
    pub mechanism: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    None,
    Starttls,
    Direct,
}

impl Default for Login<'_> {
    fn default() -> Self {
        Self { resource: "phone", tls: Tls::Starttls, mechanism: None }
    }
}

/// One device of someone.
pub struct Client {
    clients: Arc<Clients>,
    number: u64,
    /// What the server answered to the login.
    pub session: Value,
    pub account: Account,
}

impl Client {
    /// Logs in, or gives what the server had against it.
    pub fn log_in(
        clients: &Arc<Clients>,
        server: &Server,
        account: &Account,
        login: Login<'_>,
    ) -> Result<Self, Value> {
        let (door, tls) = match login.tls {
            Tls::None => (server.doors.starttls, "none"),
            Tls::Starttls => (server.doors.starttls, "starttls"),
            Tls::Direct => (server.doors.direct_tls, "direct"),
        };
        let jid = match login.resource {
            "" => account.jid.clone(),
            resource => format!("{}/{resource}", account.jid),
        };
        let number = clients.next();
        let with = json!({
            "jid": jid,
            "password": account.password,
            "address": [door.ip().to_string(), door.port()],
            "tls": tls,
            "mechanism": login.mechanism,
        });
        let session = clients.command(number, "open", with)?;
        Ok(Self { clients: clients.clone(), number, session, account: account.clone() })
    }

    /// The full address.
    pub fn jid(&self) -> &str {
        self.session["jid"].as_str().unwrap()
    }

    /// The bare address.
    pub fn bare(&self) -> &str {
        self.jid().split('/').next().unwrap()
    }

    /// Asks for something that must succeed.
    pub fn ask(&self, what: &str, with: Value) -> Value {
        let answer = self.clients.command(self.number, what, with.clone());
        answer.unwrap_or_else(|refused| panic!("{what} {with}: {refused}\n{}", self.report()))
    }

    /// Asks for something that must be refused, and gives the condition.
    pub fn refused(&self, what: &str, with: Value) -> String {
        match self.clients.command(self.number, what, with.clone()) {
            Ok(answer) => panic!("{what} {with} was not refused: {answer}"),
            Err(refused) => refused["condition"].as_str().unwrap().to_owned(),
        }
    }

    /// Sends a message to a JID, and gives its id.
    pub fn send(&self, to: &str, mut what: Value) -> String {
        what["to"] = to.into();
        self.ask("message", what)["id"].as_str().unwrap().to_owned()
    }

    /// Waits for something that has at least these fields; what else came stays for later.
    pub fn expect(&self, event: &str, wanted: Value) -> Value {
        let found = self.clients.heard.wait(WAIT, |lines| {
            let events = lines.events.entry(self.number).or_default();
            let place =
                events.iter().position(|it| it.name == event && holds(&it.what, &wanted))?;
            Some(events.remove(place).what)
        });
        found.unwrap_or_else(|| panic!("no {event} {wanted} in\n{}", self.report()))
    }

    /// Gives the next event of a kind, whatever it is.
    pub fn next(&self, event: &str) -> Value {
        self.expect(event, json!({}))
    }

    /// Looks that nothing of the kind came, once whatever the server has for it did.
    pub fn expect_none(&self, event: &str, wanted: Value) {
        self.ask("ping", json!({}));
        let came = self.waiting();
        let found = came.iter().any(|it| it.name == event && holds(&it.what, &wanted));
        assert!(!found, "{event} {wanted} came:\n{}", self.report());
    }

    /// What came and nobody asked for.
    fn waiting(&self) -> Vec<Event> {
        let lines = self.clients.heard.lines.lock().unwrap();
        lines.events.get(&self.number).cloned().unwrap_or_default()
    }

    /// The same, for the one who reads of a failure.
    fn report(&self) -> String {
        let came = self.waiting();
        let listed: Vec<_> = came.iter().map(|it| format!("  {} {}", it.name, it.what)).collect();
        format!("{} heard:\n{}", self.jid(), listed.join("\n"))
    }
}

/// Whether a value has all that is wanted: of objects, the wanted fields.
fn holds(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| value.get(name).is_some_and(|value| holds(value, wanted))),
        _ => value == wanted,
    }
}

/// A Python that has slixmpp.
pub fn python_with_slixmpp() -> Option<String> {
    let own = folder().join(".venv/bin/python").display().to_string();
    [own, "python3".to_owned()].into_iter().find(|python| {
        let import = Command::new(python).args(["-c", "import slixmpp, aiohttp"]).output();
        import.is_ok_and(|it| it.status.success())
    })
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}
