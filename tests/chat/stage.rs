//! Where scenarios are played: one server and one process of clients for all of them, started by
//! the first and ended by the last.

use std::sync::{Arc, Mutex, Weak};

use serde_json::json;

use crate::clients::{Client, Clients, Login, python_with_slixmpp};
use crate::server::{Account, Server, is_prosody};

pub struct Stage {
    clients: Arc<Clients>,
    pub server: Server,
}

/// Plays a scenario, where there are clients to play it.
pub fn scenario(play: impl FnOnce(&Stage)) {
    match Stage::shared() {
        Some(stage) => play(&stage),
        None => eprintln!("skipped: python3 with slixmpp is not installed (see tests/clients)"),
    }
}

/// Plays a scenario with a server of its own, which may die in it.
pub fn scenario_apart(play: impl FnOnce(&mut Stage)) {
    match Stage::start() {
        Some(mut stage) => play(&mut stage),
        None => eprintln!("skipped: python3 with slixmpp is not installed (see tests/clients)"),
    }
}

impl Stage {
    fn start() -> Option<Self> {
        let python = python_with_slixmpp()?;
        let server = Server::start();
        let clients = Arc::new(Clients::start(&python, &server.certificate()));
        Some(Self { clients, server })
    }

    fn shared() -> Option<Arc<Self>> {
        // A static is never dropped: it must not own what has to end with the tests.
        static SHARED: Mutex<Weak<Stage>> = Mutex::new(Weak::new());
        // A scenario that fails leaves the stage as it was.
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(stage) = shared.upgrade() {
            return Some(stage);
        }
        let stage = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&stage);
        Some(stage)
    }

    /// Whether the scenario is played on Prosody, which cannot do this.
    pub fn prosody_lacks(&self, what: &str) -> bool {
        if is_prosody() {
            eprintln!("skipped: Prosody lacks {what}");
        }
        is_prosody()
    }

    /// Tries to log in.
    pub fn try_log_in(
        &self,
        account: &Account,
        login: Login<'_>,
    ) -> Result<Client, serde_json::Value> {
        Client::log_in(&self.clients, &self.server, account, login)
    }

    /// Logs in, and says nothing yet.
    pub fn log_in(&self, account: &Account, resource: &str) -> Client {
        // slixmpp derives the keys of SCRAM in Python, which takes a part of a second each time.
        let login = Login { resource, mechanism: Some("PLAIN"), ..Login::default() };
        self.try_log_in(account, login).unwrap_or_else(|refused| panic!("{account:?}: {refused}"))
    }

    /// Logs in and does what clients do first: roster, carbons, presence.
    pub fn come_online(&self, account: &Account, resource: &str) -> Client {
        let client = self.log_in(account, resource);
        client.ask("roster", json!({}));
        client.ask("carbons", json!({}));
        client.ask("presence", json!({}));
        // Its own presence comes back once it is available.
        client.expect("presence", json!({ "from": client.jid(), "type": "available" }));
        client
    }

    /// Someone new, online on a phone.
    pub fn someone(&self) -> Client {
        self.come_online(&self.server.account(), "phone")
    }

    /// Two who see each other's presence.
    pub fn friends(&self) -> (Client, Client) {
        let (anna, bert) = (self.someone(), self.someone());
        befriend(&anna, &bert);
        (anna, bert)
    }
}

/// Has two people subscribe to each other's presence.
pub fn befriend(anna: &Client, bert: &Client) {
    for (one, other) in [(anna, bert), (bert, anna)] {
        one.ask("subscription", json!({ "to": other.bare(), "type": "subscribe" }));
        other.expect("presence", json!({ "from": one.bare(), "type": "subscribe" }));
        other.ask("subscription", json!({ "to": one.bare(), "type": "subscribed" }));
        one.expect("presence", json!({ "from": other.jid(), "type": "available" }));
    }
    for (one, other) in [(anna, bert), (bert, anna)] {
        one.expect("roster", json!({ "jid": other.bare(), "subscription": "both" }));
    }
}
