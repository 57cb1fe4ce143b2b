//! XEP-0357: the server's own push service is turned on and off for a device like any other.

use data_encoding::BASE64URL_NOPAD;

use crate::world::{self, World};

fn with_push() -> World {
    let mut config = world::config();
    config.web_push_key = Some([4; 65].into());
    let mut world = World::configured(config);
    for name in ["alice", "bob"] {
        world.account(name);
        world.come(&format!("{name}/phone"));
    }
    world
}

/// Bob's browser registers, and gets a node.
fn register(world: &mut World, number: u32) -> String {
    let (key, secret) = (BASE64URL_NOPAD.encode(&[4; 65]), BASE64URL_NOPAD.encode(&[1; 16]));
    let request = format!(
        "<iq type='set' id='s'><subscribe xmlns='urn:whimbrel:web-push:0' \
         endpoint='https://push.example.net/{number}' p256dh='{key}' auth='{secret}'/></iq>"
    );
    let got = world.ask(
        "bob/phone",
        &request,
        "<iq type='result' id='s'>\
         <subscribed xmlns='urn:whimbrel:web-push:0' jid='example.org' node='*'/></iq>",
    );
    got.children().next().unwrap().attr("node").unwrap().to_owned()
}

fn ask(world: &mut World, verb: &str, attributes: &str, answer: &str) {
    let request =
        format!("<iq type='set' id='e'><{verb} xmlns='urn:xmpp:push:0' {attributes}/></iq>");
    world.ask("bob/phone", &request, answer);
}

/// How many devices are told of a message while Bob is away.
fn told(world: &mut World) -> usize {
    world.disconnect("bob/phone", true);
    world.send("alice/phone", "<message type='chat' to='{bob}'><body>Hello</body></message>");
    world.come("bob/phone");
    world.outward.drain(..).count()
}

const DONE: &str = "<iq type='result' id='e'/>";

#[test]
fn a_device_is_turned_off_and_on() {
    let mut world = with_push();
    let (one, _two) = (register(&mut world, 1), register(&mut world, 2));
    assert_eq!(told(&mut world), 2);
    ask(&mut world, "disable", &format!("jid='example.org' node='{one}'"), DONE);
    assert_eq!(register(&mut world, 1), one);
    assert_eq!(told(&mut world), 1);
    world.pass(120);
    ask(&mut world, "disable", "jid='example.org'", DONE);
    assert_eq!(told(&mut world), 0);
    ask(&mut world, "enable", &format!("jid='example.org' node='{one}'"), DONE);
    assert_eq!(told(&mut world), 1);
}

#[test]
fn options_are_taken_and_what_is_no_form_of_them_is_not() {
    let mut world = with_push();
    let node = register(&mut world, 1);
    let enable = |form_type: &str| {
        format!(
            "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='example.org' node='{node}'>\
             <x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>\
             <value>{form_type}</value></field><field var='secret'><value>s</value></field></x>\
             </enable></iq>"
        )
    };
    let options = enable("http://jabber.org/protocol/pubsub#publish-options");
    world.ask("bob/phone", &options, DONE);
    world.ask("bob/phone", &enable("urn:other"), "<iq type='error' id='e'/>");
}

#[test]
fn what_is_not_there_is_refused_clearly() {
    let mut world = with_push();
    let node = register(&mut world, 1);
    let refused = |condition: &str| {
        format!(
            "<iq type='error' id='e'><error>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
    };
    let foreign = format!("jid='push.example.net' node='{node}'");
    ask(&mut world, "enable", &foreign, &refused("remote-server-not-found"));
    ask(&mut world, "enable", "jid='example.org' node='none'", &refused("item-not-found"));
    ask(&mut world, "enable", "jid='example.org'", &refused("bad-request"));
    ask(&mut world, "enable", &format!("node='{node}'"), &refused("bad-request"));
    let request = format!(
        "<iq type='set' id='e'><enable xmlns='urn:xmpp:push:0' jid='example.org' node='{node}'/></iq>"
    );
    world.ask("alice/phone", &request, &refused("item-not-found"));
}

#[test]
fn the_service_is_discovered_where_there_is_one() {
    let info = |to: &str| {
        format!(
            "<iq type='get' id='d' to='{to}'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
        )
    };
    let mut world = with_push();
    let feature = "<feature var='urn:xmpp:push:0'/>";
    let found = |inner: &str| {
        format!(
            "<iq type='result' id='d'><query xmlns='http://jabber.org/protocol/disco#info'>{inner}\
             </query></iq>"
        )
    };
    world.ask("bob/phone", &info("{bob}"), &found(feature));
    let service = format!("<identity category='pubsub' type='push'/>{feature}");
    world.ask("bob/phone", &info("example.org"), &found(&service));
    let mut without = World::with(&["bob"]);
    for to in ["{bob}", "example.org"] {
        let got = without.ask("bob/phone", &info(to), &found(""));
        let query = got.children().next().unwrap();
        assert!(query.children().all(|one| one.attr("var") != Some("urn:xmpp:push:0")));
    }
}
