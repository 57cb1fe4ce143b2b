//! XEP-0494: an account's owner sees who can log in, and shuts one out.

use chat_core::access::Access;
use chat_core::chat::{Closing, Command, Input, Output};
use chat_core::id::StreamId;
use chat_core::sasl::{Credential, Mechanism, ServerSecret, TokenMechanism, TokenWish};
use chat_core::stream::{Bind2, Inline, Login, SessionRequest, StreamErrorCondition, UserAgent};
use chat_core::transaction::Query;
use chat_core::xml::Element;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::world::{self, World};

const PHONE: &str = "d4565f90-bd7d-4b1c-9d0e-7b8a6f5c4d3e";
const LIST: &str = "<iq type='get' id='l'><list xmlns='urn:xmpp:cam:0'/></iq>";

/// Alice has a password, an app password for Gajim, and a phone that a code has let in.
fn world() -> World {
    let mut config = world::config();
    config.server_secret = Some(secret());
    let mut world = World::configured(config);
    let account = world.account("alice");
    let (mut writes, mut random) = (Vec::new(), ChaCha20Rng::seed_from_u64(5));
    let now_unix_s = world.now.unix_ms / 1000;
    let mut access = Access::load(account, &[]);
    access.set_password("correct horse", &mut random, &mut writes).unwrap();
    access.add_app_password("Gajim", now_unix_s, &mut random, &mut writes).unwrap();
    let (id, mechanism) = (PHONE.parse().unwrap(), TokenMechanism::Unbound);
    access.add_device(id, "Phone", mechanism, &secret(), now_unix_s, &mut writes).unwrap();
    let command = Command::Write { account, writes, log_out: true };
    world.input(Input::Command { id: 1, command });
    // The first session is one by the password.
    world.come("alice/desk");
    world
}

fn secret() -> ServerSecret {
    ServerSecret::new(&[9; 32])
}

fn by_app_password(world: &World) -> Credential {
    world.passwords(world.id("alice"))[1]
}

/// A client that names its device and gets a token for it.
fn device(world: &mut World, name: &str, id: &str, credential: Credential) -> StreamId {
    world.log_in_as(name, |login| {
        let agent = UserAgent { id: Some(id.to_owned()), ..UserAgent::default() };
        let request = Some(TokenMechanism::Unbound);
        login.tokens = match credential {
            Credential::Token { .. } => TokenWish::default(),
            Credential::Password(_) => TokenWish { request, ..TokenWish::default() },
        };
        login.credential = credential;
        login.user_agent = Some(agent);
        let bind = Some(Bind2::default());
        login.request = SessionRequest::Inline(Inline { bind, resume: None });
    })
}

fn clients(world: &mut World) -> Vec<Element> {
    world.skip_presence("alice/desk");
    let got = world.ask("alice/desk", LIST, "<iq type='result' id='l'/>");
    got.children().next().unwrap().children().cloned().collect()
}

/// A client as its type, whether it is connected, its ways in, and its name.
fn shown(client: &Element) -> String {
    let child = |name| client.child(name, "urn:xmpp:cam:0").unwrap();
    let ways: Vec<&str> = child("auth").children().map(Element::name).collect();
    let name = child("user-agent").children().next().unwrap().text().into_owned();
    let attr = |name| client.attr(name).unwrap();
    format!("{} {} {} {name}", attr("type"), attr("connected"), ways.join("+"))
}

fn revoke(world: &mut World, name: &str, answer: &str) {
    let clients = clients(world);
    let client = clients.iter().find(|client| shown(client).ends_with(name)).unwrap();
    let id = client.attr("id").unwrap();
    let request = format!("<iq type='set' id='r'><revoke xmlns='urn:xmpp:cam:0' id='{id}'/></iq>");
    world.ask("alice/desk", &request, answer);
}

fn is_shut(world: &World, stream: StreamId) -> bool {
    world.closed.get(&stream) == Some(&Closing::Error(StreamErrorCondition::Reset))
}

const DONE: &str = "<iq type='result' id='r'/>";
const NEEDS_PASSWORD: &str = "<iq type='error' id='r'><error type='cancel'>\
    <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
    <password-reset-required xmlns='urn:xmpp:cam:0'/></error></iq>";

fn names(world: &mut World) -> Vec<String> {
    clients(world).iter().map(shown).collect()
}

#[test]
fn who_can_log_in_is_listed() {
    let mut world = world();
    assert_eq!(
        names(&mut world),
        ["session false fast Phone", "access false grant Gajim", "session true password desk"]
    );
    device(&mut world, "alice/phone", PHONE, Credential::Token { generation: 1 });
    let gajim = by_app_password(&world);
    world.log_in_as("alice/gajim", |login| login.credential = gajim);
    world.disconnect("alice/gajim", true);
    assert_eq!(
        names(&mut world),
        ["session true fast Phone", "session false grant Gajim", "session true password desk"]
    );
    let first =
        clients(&mut world)[0].text_of("first-seen", "urn:xmpp:cam:0").unwrap().into_owned();
    assert_eq!(chat_core::date_time::parse(&first), Some(world.now.unix_ms));
}

#[test]
fn a_device_is_shut_out_and_comes_back_no_more() {
    let mut world = world();
    let stream = device(&mut world, "alice/phone", PHONE, Credential::Token { generation: 1 });
    revoke(&mut world, "Phone", DONE);
    assert!(is_shut(&world, stream));
    assert_eq!(names(&mut world).len(), 2);
    let stream = device(&mut world, "alice/phone", PHONE, Credential::Token { generation: 1 });
    let refused = Closing::Error(StreamErrorCondition::NotAuthorized);
    assert_eq!(world.closed.get(&stream), Some(&refused));
}

#[test]
fn an_app_password_goes_with_the_device_that_showed_it() {
    let mut world = world();
    let gajim = by_app_password(&world);
    let stream = device(&mut world, "alice/tablet", "tablet-1", gajim);
    let plain = world.log_in_as("alice/gajim", |login| login.credential = gajim);
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    world.ask("alice/gajim", bind, "<iq type='result' id='b'/>");
    assert_eq!(
        names(&mut world),
        ["session false fast Phone", "session true fast+grant ", "session true password desk"]
    );
    revoke(&mut world, "fast+grant ", DONE);
    assert!(is_shut(&world, stream) && is_shut(&world, plain));
    assert_eq!(names(&mut world), ["session false fast Phone", "session true password desk"]);
}

#[test]
fn who_knows_the_password_goes_by_another_one_alone() {
    let mut world = world();
    revoke(&mut world, "desk", NEEDS_PASSWORD);
    let own = world.passwords(world.id("alice"))[0];
    let stream = device(&mut world, "alice/tablet", "tablet-1", own);
    revoke(&mut world, "fast+password ", NEEDS_PASSWORD);
    assert!(!is_shut(&world, stream));
    world.ask(
        "alice/desk",
        "<iq type='set' id='r'><revoke xmlns='urn:xmpp:cam:0' id='none'/></iq>",
        "<iq type='error' id='r'><error type='cancel'><item-not-found \
         xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    );
}

fn is_refused(world: &World, stream: StreamId) -> bool {
    world.closed.get(&stream) == Some(&Closing::Error(StreamErrorCondition::NotAuthorized))
}

#[test]
fn who_proved_a_password_before_it_was_taken_away_comes_too_late() {
    let mut world = world();
    let [own, gajim] = world.passwords(world.id("alice"))[..] else { panic!("two passwords") };
    revoke(&mut world, "Gajim", DONE);
    let stream = world.log_in_as("alice/gajim", |login| login.credential = gajim);
    assert!(is_refused(&world, stream));
    world.set_password("alice", "another horse");
    let stream = world.log_in_as("alice/gajim", |login| login.credential = own);
    assert!(is_refused(&world, stream));
    let stream = device(&mut world, "alice/tablet", "tablet-1", own);
    assert!(is_refused(&world, stream));
    world.come("alice/gajim");
}

#[test]
fn who_is_logged_out_is_told_once_nothing_opens_the_old_way() {
    let mut world = world();
    let stream = world.come("alice/gajim");
    world.commits_at_once = false;
    world.set_password("alice", "another horse");
    assert!(!is_shut(&world, stream));
    world.commit();
    assert!(is_shut(&world, stream));
}

#[test]
fn a_password_that_changes_while_the_account_is_loaded_counts_at_once() {
    let mut world = world();
    world.set_password("alice", "another horse");
    let (account, stream) = (world.id("alice"), StreamId(900));
    let login = Login {
        account,
        credential: world.passwords(account)[0],
        mechanism: Mechanism::Plain,
        user_agent: None,
        tokens: TokenWish::default(),
        request: SessionRequest::Legacy,
    };
    world.chat.handle_input(world.now, Input::Login { stream, login: Box::new(login) });
    let Some(Output::Ask { id, query: query @ Query::Account(_) }) = world.chat.poll_output()
    else {
        panic!("the account is not in memory");
    };
    // Read before the change, and answered behind it.
    let answer = world.disk.answer(&query);
    world.set_password("alice", "a third horse");
    world.input(Input::Answered { query: id, answer });
    assert!(is_refused(&world, stream));
}
