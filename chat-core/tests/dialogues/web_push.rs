//! Browsers are told by their push service what waits for them.

use chat_core::chat::{Command, Input, Outward};
use chat_core::features::web_push::{Push, PushKind};
use data_encoding::BASE64URL_NOPAD;

use crate::world::{self, World};

const KEY: [u8; 65] = [4; 65];

fn with_push() -> World {
    let mut config = world::config();
    config.web_push_key = Some(KEY.into());
    let mut world = World::configured(config);
    for name in ["alice", "bob"] {
        world.account(name);
        world.come(&format!("{name}/phone"));
    }
    world
}

fn subscribe(world: &mut World, endpoint: &str) {
    let (key, secret) = (BASE64URL_NOPAD.encode(&KEY), BASE64URL_NOPAD.encode(&[1; 16]));
    let request = format!(
        "<iq type='set' id='s'><subscribe xmlns='urn:whimbrel:web-push:0' \
         endpoint='{endpoint}' p256dh='{key}' auth='{secret}'/></iq>"
    );
    world.ask("bob/phone", &request, "<iq type='result' id='s'/>");
}

fn pushes(world: &mut World) -> Vec<Push> {
    let pushed = world.outward.drain(..).map(|outward| match outward {
        Outward::Push(push) => *push,
        other => panic!("{other:?}"),
    });
    pushed.collect()
}

const ENDPOINT: &str = "https://push.example.org/1";
const HELLO: &str = "<message type='chat' to='{bob}'><body>Hello</body></message>";

#[test]
fn who_is_away_is_told_once_the_message_is_durable() {
    let mut world = with_push();
    subscribe(&mut world, ENDPOINT);
    world.send("alice/phone", HELLO);
    assert!(pushes(&mut world).is_empty());
    world.disconnect("bob/phone", true);
    world.commits_at_once = false;
    world.send("alice/phone", HELLO);
    assert!(pushes(&mut world).is_empty());
    world.commit();
    let pushed = pushes(&mut world);
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].account, world.id("bob"));
    assert_eq!(&*pushed[0].subscription.endpoint, ENDPOINT);
    assert_eq!(
        (pushed[0].kind, &*pushed[0].sender),
        (PushKind::Message, world.jid("alice").as_str())
    );
}

#[test]
fn a_client_at_which_nobody_looks_keeps_nobody_quiet() {
    let mut world = with_push();
    subscribe(&mut world, ENDPOINT);
    for (state, told) in [("inactive", 1), ("active", 0)] {
        world.send("bob/phone", &format!("<{state} xmlns='urn:xmpp:csi:0'/>"));
        world.send("alice/phone", HELLO);
        assert_eq!(pushes(&mut world).len(), told, "{state}");
    }
}

#[test]
fn a_call_is_told_and_what_can_wait_is_not() {
    let mut world = with_push();
    subscribe(&mut world, ENDPOINT);
    world.disconnect("bob/phone", true);
    world.send(
        "alice/phone",
        "<message type='chat' to='{bob}'><propose xmlns='urn:xmpp:jingle-message:0' id='c'/>\
         <store xmlns='urn:xmpp:hints'/></message>",
    );
    assert_eq!(pushes(&mut world)[0].kind, PushKind::Call);
    world.send(
        "alice/phone",
        "<message type='chat' to='{bob}'><received xmlns='urn:xmpp:receipts' id='c'/>\
         <store xmlns='urn:xmpp:hints'/></message>",
    );
    world.send(
        "alice/phone",
        "<message type='chat' to='{bob}'><composing xmlns='http://jabber.org/protocol/chatstates'/>\
         </message>",
    );
    assert!(pushes(&mut world).is_empty());
}

#[test]
fn subscriptions_outlive_a_crash_and_end() {
    let mut world = with_push();
    subscribe(&mut world, ENDPOINT);
    subscribe(&mut world, "https://push.example.org/2");
    world.disconnect("bob/phone", true);
    world.pass(120);
    world.send("alice/phone", HELLO);
    assert_eq!(pushes(&mut world).len(), 2);
    let account = world.id("bob");
    let command = Command::EndPush { account, endpoint: ENDPOINT.into() };
    world.input(Input::Command { id: 1, command });
    world.send("alice/phone", HELLO);
    assert_eq!(pushes(&mut world).len(), 1);
    world.come("bob/phone");
    world.ask(
        "bob/phone",
        "<iq type='set' id='u'><unsubscribe xmlns='urn:whimbrel:web-push:0' \
         endpoint='https://push.example.org/2'/></iq>",
        "<iq type='result' id='u'/>",
    );
    world.disconnect("bob/phone", true);
    world.send("alice/phone", HELLO);
    assert!(pushes(&mut world).is_empty());
}

#[test]
fn what_is_no_subscription_is_refused() {
    let mut world = with_push();
    let key = BASE64URL_NOPAD.encode(&KEY);
    world.ask(
        "bob/phone",
        "<iq type='get' id='k'><key xmlns='urn:whimbrel:web-push:0'/></iq>",
        &format!("<iq type='result' id='k'><key xmlns='urn:whimbrel:web-push:0'>{key}</key></iq>"),
    );
    for wrong in [
        format!("endpoint='http://push.example.org/' p256dh='{key}' auth='AQEBAQEBAQEBAQEBAQEBAQ'"),
        format!("endpoint='{ENDPOINT}' p256dh='{key}' auth='AQ'"),
        format!("endpoint='{ENDPOINT}' p256dh='AQ' auth='AQEBAQEBAQEBAQEBAQEBAQ'"),
    ] {
        world.ask(
            "bob/phone",
            &format!(
                "<iq type='set' id='s'><subscribe xmlns='urn:whimbrel:web-push:0' {wrong}/></iq>"
            ),
            "<iq type='error' id='s'><error><not-acceptable \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        );
    }
    let mut world = World::with(&["bob"]);
    world.ask(
        "bob/phone",
        "<iq type='get' id='k'><key xmlns='urn:whimbrel:web-push:0'/></iq>",
        "<iq type='error' id='k'/>",
    );
}
