//! The examples of `docs/protocol/accounts.md`, replayed; and what they do not show.

#[path = "backup_tests.rs"]
mod backup;

use std::collections::HashMap;

use chat_core::id::MessageId;
use chat_core::jid::AccountId;
use chat_core::sasl::ServerSecret;
use chat_core::transaction::{
    Answer, ArchivePage, Item, Query, Record, StorageError, StoredAccount, StoredMessage, Write,
};
use chat_core::verification::{Policy, Refusal};
use http::header::HeaderName;
use serde_json::Value;
use tokio::sync::mpsc;

use super::upload_tokens::{NoUploadToken, UploadToken, UploadTokenOrder, UploadWish};
use super::*;
use crate::chat::accounts::{AccountError, AccountsSetup, Found, Ledger, Order, OwnedClaim};
use crate::chat::gateway::{Gateway, Registration};
use crate::chat::previews::PreviewsConfig;
use crate::chat::previews::tests::Site;

/// A server's accounts in memory.
#[derive(Default)]
struct Books {
    accounts: HashMap<AccountId, StoredAccount>,
}

impl Books {
    async fn serve(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Find { user, reply } => drop(reply.send(Ok(self.find(&user)))),
                Order::Ask { query, reply } => drop(reply.send(Ok(self.answer(query)))),
                Order::TellNumber { reply, .. } => drop(reply.send(Ok(()))),
                Order::List { .. } | Order::Records { .. } => panic!("the API lists no accounts"),
                Order::Write { writes, reply, .. } => {
                    let done = writes.into_iter().try_for_each(|write| self.write(write));
                    drop(reply.send(done));
                }
            }
        }
    }

    fn answer(&self, query: Query) -> Answer {
        match query {
            Query::Account(account) => {
                let stored = self.accounts.get(&account).map(|stored| StoredAccount {
                    number: stored.number.clone(),
                    created_unix_ms: stored.created_unix_ms,
                    records: copied(&stored.records),
                    ..StoredAccount::default()
                });
                Answer::Account(stored.map(Box::new))
            }
            Query::Archive(query) => Answer::Archive(page_behind(query.after)),
            Query::AllItems { after: None, .. } => Answer::AllItems(vec![published()]),
            Query::AllItems { .. } => Answer::AllItems(Vec::new()),
            other => panic!("the API does not ask {other:?}"),
        }
    }

    fn find(&self, user: &str) -> Option<Found> {
        let is_it = |(id, stored): &(&AccountId, &StoredAccount)| {
            id.to_string() == user || stored.number.as_deref() == Some(user)
        };
        let (account, stored) = self.accounts.iter().find(is_it)?;
        let records = copied(&stored.records);
        Some(Found { account: *account, number: stored.number.clone(), records })
    }

    fn write(&mut self, write: Write) -> Result<(), StorageError> {
        match write {
            Write::CreateAccount { account, number, created_unix_ms } => {
                if self.accounts.values().any(|stored| number.is_some() && stored.number == number)
                {
                    return Err(StorageError::Exists { what: "the number" });
                }
                let stored = StoredAccount { number, created_unix_ms, ..StoredAccount::default() };
                self.accounts.insert(account, stored);
            }
            Write::DeleteAccount { account } => drop(self.accounts.remove(&account)),
            Write::SetNumber { account, number } => {
                self.accounts.get_mut(&account).unwrap().number = number;
            }
            Write::Put { account, feature, key, value } => {
                let records = &mut self.accounts.get_mut(&account).unwrap().records;
                records.retain(|record| record.key != key);
                records.push(Record { feature: feature.into(), key, value });
                records.sort_by(|a, b| a.key.cmp(&b.key));
            }
            Write::Remove { account, key, .. } => {
                let records = &mut self.accounts.get_mut(&account).unwrap().records;
                records.retain(|record| record.key != key);
            }
            // Nobody here has any.
            Write::RemoveKeyPackages { .. } => {}
            other => panic!("{other:?}"),
        }
        Ok(())
    }
}

/// Gives tokens that say what for, where there is room.
fn keeper() -> mpsc::Sender<UploadTokenOrder> {
    let (orders, mut came) = mpsc::channel::<UploadTokenOrder>(1);
    tokio::spawn(async move {
        while let Some(UploadTokenOrder { wish, reply }) = came.recv().await {
            let UploadWish { bytes, count, expected, reference_until, .. } = wish;
            let digest = expected.map(|digest| digest.to_string());
            let until = reference_until.map(|until| until.0);
            let text = format!("{bytes} {count} {digest:?} {until:?}");
            drop(reply.send(match bytes {
                ..LARGEST => Ok(UploadToken { text, life_s: 3600 }),
                LARGEST => Err(NoUploadToken::NoRoom { bytes }),
                _ => Err(NoUploadToken::TooLarge { bytes_max: LARGEST }),
            }));
        }
    });
    orders
}

/// Bytes of the largest file, for which there is no room.
const LARGEST: u64 = 1 << 32;

/// Each account has one item.
fn published() -> (Box<str>, Item) {
    let item = Item {
        id: "current".into(),
        publisher: "k7qm2xw4p9ab@chat.example/x".into(),
        published_unix_ms: 1_790_000_000_000,
        payload: "<nick xmlns='http://jabber.org/protocol/nick'>Ada</nick>".into(),
    };
    ("http://jabber.org/protocol/nick".into(), item)
}

/// Each account has two messages, a page for each.
fn page_behind(after: Option<MessageId>) -> ArchivePage {
    let number = after.map_or(1, |after| after.as_u64() + 1);
    let message = StoredMessage {
        id: MessageId::from_u64(number),
        stanza: format!("<message to='{number}'><body>\"x\"</body></message>").into(),
        is_outgoing: number == 1,
        expires_unix_ms: (number == 2).then_some(1_800_000_000_000),
    };
    ArchivePage { messages: vec![message], is_complete: number == 2, count: None }
}

fn copied(records: &[Record]) -> Vec<Record> {
    let copy = |record: &Record| Record {
        feature: record.feature.clone(),
        key: record.key.clone(),
        value: record.value.clone(),
    };
    records.iter().map(copy).collect()
}

/// An API, and the codes that it sent.
pub struct Bench {
    api: Api,
    ledger: Ledger,
    codes: mpsc::UnboundedReceiver<String>,
    known: HashMap<String, String>,
}

impl Bench {
    /// Without accounts.
    pub fn start() -> Self {
        let (ledger, orders) = Ledger::new();
        tokio::spawn(Books::default().serve(orders));
        Self::over(ledger, Registration::Open)
    }

    fn over(ledger: Ledger, registration: Registration) -> Self {
        let (gateway, codes) = Gateway::recorder();
        let accounts = Accounts::new(AccountsSetup {
            ledger: ledger.clone(),
            gateway,
            policy: Policy { accepts_possible_numbers: true, ..Policy::default() },
            registration,
            secret: ServerSecret::new(&[1; 32]),
            domain: "chat.example".to_owned(),
            region: None,
            retraction_within_s: Some(172_800),
        });
        let previews = PreviewsConfig { private_endpoints: true, ..PreviewsConfig::default() };
        let previews = Previews::new(previews).unwrap();
        let objects = backup::object_keeper();
        let api = Api::new(accounts.unwrap(), keeper(), objects, Some(previews));
        Self { api, ledger, codes, known: HashMap::new() }
    }

    /// Begins anew with the same accounts, and lets nobody else in.
    pub fn closed(self) -> Self {
        Self { known: self.known, ..Self::over(self.ledger, Registration::Closed) }
    }

    /// The accounts behind the API.
    pub fn accounts(&self) -> &Accounts {
        &self.api.accounts
    }

    /// The code that was sent last.
    pub fn code(&mut self) -> String {
        self.codes.try_recv().unwrap()
    }

    /// Sends a request as the documentation writes it; `…` is what was last seen in its place.
    async fn ask(&mut self, text: &str) -> Response {
        let (head, content) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let bearer = self.known.get("bearer").map(String::as_str).unwrap_or_default();
            let value = value.replace('…', bearer);
            headers.insert(HeaderName::try_from(name).unwrap(), value.try_into().unwrap());
        }
        let id = self.known.get("id").map(String::as_str).unwrap_or_default();
        let request = Request {
            method: method.parse().unwrap(),
            path: path.trim().replace('…', id),
            headers,
            content: self.filled(content).into(),
            peer: "192.0.2.7".parse().unwrap(),
            is_tls: true,
        };
        let mut response = self.api.answer(request).await;
        let mut content = response.content.to_vec();
        if let Some(mut more) = response.more.take() {
            while let Some(piece) = more.recv().await {
                content.extend_from_slice(&piece.unwrap());
            }
        }
        response.content = content.into();
        if let Ok(code) = self.codes.try_recv() {
            self.known.insert("code".to_owned(), code);
        }
        response
    }

    fn filled(&self, content: &str) -> String {
        let Ok(Value::Object(mut object)) = serde_json::from_str(content) else {
            return content.to_owned();
        };
        for (key, value) in &mut object {
            if *value == "…" {
                *value = self.known[key].clone().into();
            }
        }
        Value::Object(object).to_string()
    }

    fn check(&mut self, response: &Response, expected: &str) {
        let (head, content) = expected.split_once("\n\n").unwrap_or((expected, ""));
        let mut lines = head.lines();
        let shown = String::from_utf8_lossy(&response.content).into_owned();
        let status = format!("HTTP/1.1 {}", response.status.as_u16());
        assert_eq!(lines.next(), Some(status.as_str()), "{shown}");
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            let found = response.fields.get(name).unwrap_or_else(|| panic!("{name}: {shown}"));
            assert!(value == "…" || found == value, "{name}: {found:?}");
        }
        match content.trim() {
            "" => assert_eq!(shown, ""),
            content => {
                let expected = serde_json::from_str(content).unwrap();
                let found = serde_json::from_str(&shown).unwrap();
                self.compare("", &expected, &found);
            }
        }
    }

    fn compare(&mut self, key: &str, expected: &Value, found: &Value) {
        match (expected, found) {
            (Value::Object(expected), Value::Object(found)) => {
                let keys = |object: &serde_json::Map<String, Value>| {
                    let mut keys: Vec<String> = object.keys().cloned().collect();
                    keys.sort();
                    keys
                };
                assert_eq!(keys(expected), keys(found), "{found:?}");
                for (key, expected) in expected {
                    self.compare(key, expected, &found[key]);
                }
            }
            (Value::Array(expected), Value::Array(found)) => {
                assert_eq!(expected.len(), found.len(), "{found:?}");
                expected.iter().zip(found).for_each(|(one, other)| self.compare(key, one, other));
            }
            (Value::String(expected), Value::String(found)) if expected == "…" => {
                self.known.insert(key.to_owned(), found.clone());
            }
            (Value::Number(_), Value::Number(_)) if TIMES.contains(&key) => {}
            _ => assert_eq!(expected, found, "{key}"),
        }
    }

    async fn register(&mut self, number: &str, rest: &str) -> Response {
        let number = format!("\"number\":\"{number}\"");
        let json = "Content-Type: application/json\n\n";
        let sent = self.ask(&format!("POST /api/v1/codes\n{json}{{{number}}}")).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
        let content = format!("{{{number},\"code\":\"…\",\"device\":{{\"id\":\"a\"}}{rest}}}");
        let response = self.ask(&format!("POST /api/v1/registrations\n{json}{content}")).await;
        if let Ok(Value::Object(object)) = serde_json::from_slice(&response.content) {
            let texts = object.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
            self.known.extend(texts.map(|(key, text)| (key.clone(), text.to_owned())));
        }
        response
    }
}

/// Keys of moments, and of waits that depend on them.
const TIMES: [&str; 6] = ["expires", "created", "seen", "retry_after", "time", "made"];

#[tokio::test]
async fn the_documented_examples_are_true() {
    let text = include_str!("../../../docs/protocol/accounts.md");
    let mut blocks =
        text.split("```http\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut bench = Bench::start();
    let mut count = 0;
    while let (Some(request), Some(expected)) = (blocks.next(), blocks.next()) {
        let response = bench.ask(request.trim_end()).await;
        bench.check(&response, expected.trim_end());
        count += 1;
    }
    assert!(count >= 20, "{count}");
}

#[tokio::test]
async fn the_example_of_a_link_is_true() {
    let text = include_str!("../../../docs/protocol/link-previews.md");
    let site = Site::start();
    let mut blocks =
        text.split("```http\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    let mut count = 0;
    while let (Some(request), Some(expected)) = (blocks.next(), blocks.next()) {
        let here = |text: &str| text.trim_end().replace("https://example.org", &site.origin);
        let response = bench.ask(&here(request)).await;
        bench.check(&response, &here(expected));
        count += 1;
    }
    assert_eq!(count, 2);
}

#[tokio::test]
async fn a_pin_keeps_the_account_and_its_number() {
    let mut bench = Bench::start();
    assert_eq!(bench.register("+15550100123", "").await.status, StatusCode::CREATED);
    let account = bench.known["account"].clone();
    let pin = "Authorization: Bearer …\nContent-Type: application/json\n\n{\"pin\":\"739154\"}";
    let set = bench.ask(&format!("PUT /api/v1/account/pin\n{pin}")).await;
    assert_eq!(set.status, StatusCode::NO_CONTENT);
    // Another registrar has other limits: what counts is what is stored.
    let limits = Policy { accepts_possible_numbers: true, ..Policy::default() };
    bench.api.accounts.forget_limits(limits);
    let kept = bench.register("+15550100123", "").await;
    assert_eq!(kept.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.known["type"], "urn:whimbrel:problem:pin-needed");
    bench.api.accounts.forget_limits(limits);
    bench.register("+15550100123", ",\"pin\":\"000001\"").await;
    assert_eq!(bench.known["type"], "urn:whimbrel:problem:pin-wrong");
    bench.api.accounts.forget_limits(limits);
    let opened = bench.register("+15550100123", ",\"pin\":\"739154\"").await;
    assert_eq!((opened.status, &bench.known["account"]), (StatusCode::CREATED, &account));
}

#[tokio::test]
async fn guesses_at_a_pin_count_side_by_side_as_well() {
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    let pin = "Authorization: Bearer …\nContent-Type: application/json\n\n{\"pin\":\"739154\"}";
    bench.ask(&format!("PUT /api/v1/account/pin\n{pin}")).await;
    let policy = Policy { accepts_possible_numbers: true, ..Policy::default() };
    bench.api.accounts.forget_limits(policy);
    bench.register("+15550100123", "").await;
    let (accounts, code) = (bench.accounts(), &bench.known["code"]);
    // Behind the third wrong one the next must wait, so that the right one is not looked at.
    let claims = ["000001", "000002", "000003", "739154"].map(|pin| {
        let number = accounts.number("+15550100123").unwrap();
        let claim = OwnedClaim { number, code: code.clone(), pin: Some(pin.to_owned()) };
        accounts.register_password(claim, "correct horse".to_owned())
    });
    for outcome in futures_util::future::join_all(claims).await {
        let is_wrong = matches!(outcome, Err(AccountError::Refused(Refusal::WrongPin { .. })));
        assert!(is_wrong, "{outcome:?}");
    }
}

#[tokio::test]
async fn without_a_pin_a_number_goes_to_whoever_has_it_now() {
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    let (account, bearer) = (bench.known["account"].clone(), bench.known["bearer"].clone());
    bench
        .api
        .accounts
        .forget_limits(Policy { accepts_possible_numbers: true, ..Policy::default() });
    bench.register("+15550100123", "").await;
    assert_ne!(bench.known["account"], account);
    bench.known.insert("bearer".to_owned(), bearer);
    let old = bench.ask("GET /api/v1/account\nAuthorization: Bearer …").await;
    let old: Value = serde_json::from_slice(&old.content).unwrap();
    assert_eq!(
        (&old["number"], &old["jid"]),
        (&Value::Null, &Value::from(format!("{account}@chat.example")))
    );
}

#[tokio::test]
async fn where_registration_is_closed_owners_go_on_and_others_are_told() {
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    let mut bench = bench.closed();
    let json = "Content-Type: application/json\n\n";
    let code = format!("POST /api/v1/codes\n{json}{{\"number\":\"+15550100124\"}}");
    let device = "\"code\":\"000000\",\"device\":{\"id\":\"b\"}";
    let claim = format!("{{\"number\":\"+15550100124\",{device}}}");
    for request in [code.clone(), format!("POST /api/v1/registrations\n{json}{claim}")] {
        let refused = bench.ask(&request).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{request}: {refused:?}");
        let told = String::from_utf8_lossy(&refused.content).into_owned();
        assert!(told.contains("urn:whimbrel:problem:registration-closed"), "{told}");
    }
    // Who has an account changes its number, and lets further devices in.
    let own = "Authorization: Bearer …\nContent-Type: application/json\n\n";
    let number = "{\"number\":\"+15550100124\"}";
    let sent = bench.ask(&format!("POST /api/v1/codes\n{own}{number}")).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{sent:?}");
    let number = "{\"number\":\"+15550100124\",\"code\":\"…\"}";
    let changed = bench.ask(&format!("PUT /api/v1/account/number\n{own}{number}")).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let link = bench.ask("POST /api/v1/links\nAuthorization: Bearer …").await;
    bench.check(&link, "HTTP/1.1 201\n\n{\"link\": \"…\", \"expires_in\": 300}");
    let link = "{\"link\":\"…\",\"device\":{\"id\":\"b\"}}";
    let device = bench.ask(&format!("POST /api/v1/registrations\n{json}{link}")).await;
    assert_eq!(device.status, StatusCode::CREATED, "{device:?}");
}

#[tokio::test]
async fn a_token_for_uploads_is_what_was_asked_for_and_bounded() {
    let mut bench = Bench::start();
    bench.register("+15550100123", "").await;
    let mut check = async |wish: &str, expected: Result<&str, (u16, &str)>| {
        let head = "POST /api/v1/upload-tokens\nAuthorization: Bearer …";
        let text = format!("{head}\nContent-Type: application/json\n\n{wish}");
        let response = bench.ask(&text).await;
        let content: Value = serde_json::from_slice(&response.content).unwrap();
        let (status, told) = match expected {
            Ok(token) => (201, (&content["token"], token.to_owned())),
            Err((status, problem)) => {
                (status, (&content["type"], format!("urn:whimbrel:problem:{problem}")))
            }
        };
        assert_eq!(response.status.as_u16(), status, "{wish}: {content}");
        assert_eq!(*told.0, told.1, "{wish}");
    };
    check(r#"{"bytes":1}"#, Ok("1 1 None None")).await;
    let digest = "ab".repeat(32);
    let whole = format!(r#"{{"bytes":9,"count":32,"digest":"{digest}","expires":4000000000}}"#);
    check(&whole, Ok(&format!("9 32 Some({digest:?}) Some(4000000000)"))).await;
    for wrong in [
        r#"{}"#,
        r#"{"bytes":0}"#,
        r#"{"bytes":-1}"#,
        r#"{"bytes":1,"count":0}"#,
        r#"{"bytes":1,"count":33}"#,
        r#"{"bytes":1,"digest":"ab"}"#,
        r#"{"bytes":1,"expires":1}"#,
        r#"{"bytes":1,"owner":"k7qm2xw4p9ab"}"#,
    ] {
        check(wrong, Err((400, "form"))).await;
    }
    check(r#"{"bytes":4294967296}"#, Err((507, "no-room"))).await;
    check(r#"{"bytes":4294967297}"#, Err((413, "too-large"))).await;
    bench.known.remove("bearer");
    let nobody = "POST /api/v1/upload-tokens\nContent-Type: application/json\n\n{\"bytes\":1}";
    assert_eq!(bench.ask(nobody).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_refused_before_it_is_looked_at() {
    let mut bench = Bench::start();
    let mut check = async |request: &str, expected: u16| {
        let response = bench.ask(request).await;
        assert_eq!(response.status.as_u16(), expected, "{request}: {response:?}");
    };
    check("GET /api/", 404).await;
    check("GET /api/v1/codes", 405).await;
    check("POST /api/v1/codes\n\n{\"number\":\"+15550100123\"}", 415).await;
    let json = "Content-Type: application/json\n\n";
    check(&format!("POST /api/v1/codes\n{json}{{"), 400).await;
    check(&format!("POST /api/v1/codes\n{json}{{\"number\":\"1\",\"x\":1}}"), 400).await;
    check(&format!("POST /api/v1/codes\n{json}{{\"number\":\"+1\"}}"), 422).await;
    let device = "\"device\":{\"id\":\"a b\"}";
    check(&format!("POST /api/v1/registrations\n{json}{{\"link\":\"x\",{device}}}"), 422).await;
    let device = "\"device\":{\"id\":\"a\"}";
    check(&format!("POST /api/v1/registrations\n{json}{{\"link\":\"x\",{device}}}"), 403).await;
    check(&format!("POST /api/v1/registrations\n{json}{{{device}}}"), 400).await;
    for bearer in ["x", "a.b.c", "k7qm2xw4p9ab.d.t", "Bearer", ".."] {
        check(&format!("GET /api/v1/account\nAuthorization: Bearer {bearer}"), 401).await;
    }
}

#[tokio::test]
async fn in_the_clear_only_this_machine_is_answered() {
    let bench = Bench::start();
    for (peer, expected) in [("192.0.2.7", 403), ("127.0.0.1", 404), ("::1", 404)] {
        let request = Request {
            method: Method::GET,
            path: "/api/v1/x".to_owned(),
            headers: HeaderMap::new(),
            content: Bytes::new(),
            peer: peer.parse().unwrap(),
            is_tls: false,
        };
        assert_eq!(bench.api.answer(request).await.status.as_u16(), expected, "{peer}");
    }
}
