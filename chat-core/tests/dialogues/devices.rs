//! XEP-0484 and XEP-0388: devices that have tokens, and when they were last there.

use chat_core::access::Access;
use chat_core::chat::Input;
use chat_core::id::StreamId;
use chat_core::sasl::{Mechanism, ServerSecret, TokenMechanism, TokenWish};
use chat_core::stream::{Bind2, Inline, Login, SessionRequest, UserAgent};
use chat_core::transaction::{Answer, Query};

use crate::world::{self, World};

const STREAM: StreamId = StreamId(1000);

/// Alice's phone logs in, and asks for a token.
fn with_device() -> World {
    let mut config = world::config();
    config.server_secret = Some(ServerSecret::new(&[1; 32]));
    let mut world = World::configured(config);
    let account = world.account("alice");
    world.set_password("alice", "correct horse");
    let agent = UserAgent { id: Some("phone-1".to_owned()), ..UserAgent::default() };
    let login = Login {
        account,
        credential: world.passwords(account)[0],
        mechanism: Mechanism::Plain,
        user_agent: Some(agent),
        tokens: TokenWish { request: Some(TokenMechanism::Unbound), ..TokenWish::default() },
        request: SessionRequest::Inline(Inline { bind: Some(Bind2::default()), resume: None }),
    };
    world.input(Input::Login { stream: STREAM, login: Box::new(login) });
    world
}

fn seen_unix_s(world: &World) -> u64 {
    let account = world.id("alice");
    let Ok(Answer::Account(Some(stored))) = world.disk.answer(&Query::Account(account)) else {
        panic!("alice is stored");
    };
    Access::load(account, &stored.records).devices()[0].seen_unix_s
}

#[test]
fn a_device_was_there_until_its_session_ended() {
    let mut world = with_device();
    let came_s = seen_unix_s(&world);
    assert_eq!(came_s, world.now.unix_ms / 1000);
    world.pass(3600);
    assert_eq!(seen_unix_s(&world), came_s);
    world.input(Input::Closed { stream: STREAM, is_clean: true });
    assert_eq!(seen_unix_s(&world), came_s + 3600);
}

/// Behind which message the server begins for a device of Alice's that takes groups' messages.
fn begins_behind(world: &mut World, device: &str) -> String {
    world.connect(device);
    let enable = "<iq type='set' id='e' to='groups.example.org'>\
                  <enable xmlns='urn:whimbrel:groups:0'/></iq>";
    let answer = world.ask(device, enable, "<iq type='result' id='e'/>");
    world.disconnect(device, true);
    answer.children().next().unwrap().attr("after").unwrap().to_owned()
}

/// Bob writes, and Alice's device has it; gives its place.
fn written(world: &mut World, id: &str, device: &str) -> String {
    world.come(device);
    world.send(
        "bob/phone",
        &format!("<message type='chat' id='{id}' to='{{alice}}'><body>hi</body></message>"),
    );
    let got = world.expect(device, &format!("<message id='{id}'/>"));
    world.disconnect(device, true);
    got.child("stanza-id", "urn:xmpp:sid:0").unwrap().attr("id").unwrap().to_owned()
}

#[test]
fn a_device_that_is_forgotten_is_told_where_the_server_goes_on() {
    let mut world = World::new();
    world.account("alice");
    world.account("bob");
    world.come("bob/phone");
    let first = written(&mut world, "m1", "alice/phone");
    let second = written(&mut world, "m2", "alice/laptop");
    assert_eq!(begins_behind(&mut world, "alice/phone"), first);
    for number in 0..31 {
        world.come(&format!("alice/{number}"));
        world.disconnect(&format!("alice/{number}"), true);
    }
    // Of 33 devices the one that has least.
    assert_eq!(begins_behind(&mut world, "alice/phone"), second);
}
