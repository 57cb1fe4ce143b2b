//! XEP-0363: places for files. XEP-0215: services beside XMPP.

use chat_core::chat::{Input, Outward};
use chat_core::features::external_services::ExternalService;
use chat_core::features::upload_slots::SlotAnswer;
use chat_core::transaction::Answer;

use crate::world::{self, World};

const REQUEST: &str = "<iq type='get' id='u' to='example.org'>\
    <request xmlns='urn:xmpp:http:upload:0' filename='summer day.jpg' size='1000' \
    content-type='image/jpeg'/></iq>";

fn with_uploads() -> World {
    let mut config = world::config();
    config.upload_bytes_max = Some(1000);
    let mut world = World::configured(config);
    world.account("alice");
    world.come("alice/phone");
    world
}

fn answer(world: &mut World, answer: SlotAnswer) {
    let Some(Outward::RequestSlot { query, slot }) = world.outward.pop() else {
        panic!("nothing was asked");
    };
    assert_eq!((&*slot.name, slot.bytes), ("summer day.jpg", 1000));
    assert_eq!(slot.account, world.id("alice"));
    assert_eq!(slot.media_type.as_deref(), Some("image/jpeg"));
    world.input(Input::Answered { query, answer: Ok(Answer::Slot(answer)) });
}

#[test]
fn a_file_gets_a_place() {
    let mut world = with_uploads();
    world.send("alice/phone", REQUEST);
    world.expect_nothing("alice/phone");
    let granted = SlotAnswer::Granted {
        put: "https://example.org/upload/1/a".into(),
        headers: vec![("Authorization".into(), "Bearer t".into())],
        get: "https://example.org/upload/1/a".into(),
    };
    answer(&mut world, granted);
    world.expect(
        "alice/phone",
        "<iq type='result' id='u'><slot xmlns='urn:xmpp:http:upload:0'>\
         <put url='https://example.org/upload/1/a'><header name='Authorization'>Bearer t</header>\
         </put><get url='https://example.org/upload/1/a'/></slot></iq>",
    );
}

#[test]
fn too_much_is_refused() {
    let mut world = with_uploads();
    world.send("alice/phone", REQUEST);
    answer(&mut world, SlotAnswer::OverQuota { retry_unix_ms: Some(0) });
    world.expect(
        "alice/phone",
        "<iq type='error' id='u'><error type='wait'>\
         <resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <retry xmlns='urn:xmpp:http:upload:0' stamp='1970-01-01T00:00:00.000Z'/></error></iq>",
    );
    world.ask(
        "alice/phone",
        &REQUEST.replace("1000", "1001"),
        "<iq type='error' id='u'><error type='modify'>\
         <file-too-large xmlns='urn:xmpp:http:upload:0'><max-file-size>1000</max-file-size>\
         </file-too-large></error></iq>",
    );
    for wrong in [REQUEST.replace("1000", "0"), REQUEST.replace("summer day", "../etc")] {
        world.ask(
            "alice/phone",
            &wrong,
            "<iq type='error' id='u'><error><bad-request \
             xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        );
    }
    assert!(world.outward.is_empty());
}

#[test]
fn what_is_offered_is_said() {
    let ask = "<iq type='get' id='d' to='example.org'>\
               <query xmlns='http://jabber.org/protocol/disco#info'/></iq>";
    let mut world = with_uploads();
    world.ask(
        "alice/phone",
        ask,
        "<iq type='result' id='d'><query xmlns='http://jabber.org/protocol/disco#info'>\
         <feature var='urn:xmpp:http:upload:0'/><x xmlns='jabber:x:data'>\
         <field var='max-file-size'><value>1000</value></field></x></query></iq>",
    );
    let mut world = World::with(&["alice"]);
    world.ask("alice/phone", REQUEST, "<iq type='error' id='u'/>");
}

#[test]
fn turn_gets_credentials_that_end() {
    let mut config = world::config();
    let service = |kind: &str, secret: Option<&[u8]>| ExternalService {
        kind: kind.into(),
        host: "turn.example.org".into(),
        port: 3478,
        transport: "udp".into(),
        secret: secret.map(Into::into),
    };
    config.external_services = vec![service("stun", None), service("turn", Some(b"secret"))];
    let mut world = World::configured(config);
    world.account("alice");
    world.come("alice/phone");
    let answer = world.ask(
        "alice/phone",
        "<iq type='get' id='s' to='example.org'><services xmlns='urn:xmpp:extdisco:2' type='turn'/></iq>",
        "<iq type='result' id='s'><services xmlns='urn:xmpp:extdisco:2' type='turn'>\
         <service type='turn' host='turn.example.org' port='3478' transport='udp' expires='*'/>\
         </services></iq>",
    );
    let services = answer.children().next().unwrap();
    assert_eq!(services.children().count(), 1);
    let turn = services.children().next().unwrap();
    let username = turn.attr("username").unwrap();
    assert_eq!(username, format!("{}:{}", 1_790_000_000 + 12 * 3600, world.id("alice")));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"secret");
    let tag = aws_lc_rs::hmac::sign(&key, username.as_bytes());
    assert_eq!(turn.attr("password"), Some(&*data_encoding::BASE64.encode(tag.as_ref())));
    world.ask(
        "alice/phone",
        "<iq type='get' id='c' to='example.org'><credentials xmlns='urn:xmpp:extdisco:2'>\
         <service type='stun' host='turn.example.org'/></credentials></iq>",
        "<iq type='result' id='c'><credentials xmlns='urn:xmpp:extdisco:2'>\
         <service type='stun'/></credentials></iq>",
    );
}
