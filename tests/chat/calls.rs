//! Calls (docs/protocol/calls.md) by real clients: who is in one, over the whole server and its death. What
//! passes through the endpoint is tried in `tests/call.rs`.

use serde_json::{Value, json};

use crate::clients::Client;
use crate::stage::scenario_apart;

const NS: &str = "urn:whimbrel:call:0";
const OFFER: &str = "v=0\no=- 1 1 IN IP4 0.0.0.0\ns=-\nt=0 0\na=group:BUNDLE 0\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\nc=IN IP4 0.0.0.0\na=mid:0\na=sendonly\na=rtcp-mux\n\
    a=ice-ufrag:abcd\na=ice-pwd:0123456789012345678901\na=setup:actpass\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
    00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\na=rtpmap:111 opus/48000/2\n";

fn ask(client: &Client, room: &str, kind: &str, payload: &str) -> String {
    let answer = client.ask("iq", json!({ "type": kind, "to": room, "payload": payload }));
    answer["payload"][0].as_str().unwrap_or_default().to_owned()
}

/// Joins with a microphone, and gives the answer.
fn join(client: &Client, room: &str, call: &str) -> String {
    let publish = format!("<publish>{OFFER}</publish>");
    ask(client, room, "set", &format!("<join xmlns='{NS}' {call} microphone='on'>{publish}</join>"))
}

/// The first value of an attribute.
fn attr<'a>(xml: &'a str, name: &str) -> &'a str {
    let (_, rest) =
        xml.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name}: {xml}"));
    rest.split_once('"').unwrap().0
}

#[test]
fn a_call_rings_is_joined_and_survives_a_kill() {
    scenario_apart(|stage| {
        if stage.prosody_lacks("calls") {
            return;
        }
        let [anna, bert] = [stage.someone(), stage.someone()];
        let create = format!(
            "<create xmlns='urn:whimbrel:groups:0'><member jid='{}'/></create>",
            bert.bare()
        );
        let made = ask(&anna, "groups.localhost", "set", &create);
        let room = attr(&made, "jid").to_owned();
        bert.ask("join", json!({ "room": room, "nick": "Bert" }));

        let joined = join(&anna, &room, "");
        for line in ["a=ice-lite", "a=candidate:", "a=setup:passive", "opus/48000"] {
            assert!(joined.contains(line), "{line}: {joined}");
        }
        let call = attr(&joined, "id").to_owned();
        let rings = |body: &str| json!({ "type": "groupchat", "body": body });
        let name = anna.bare().split_once('@').unwrap().0.to_owned();
        bert.expect("message", rings(&format!("{name} is calling.")));

        let seen = ask(&bert, &room, "get", &format!("<call xmlns='{NS}'/>"));
        assert_eq!((attr(&seen, "id"), attr(&seen, "ringing")), (&*call, "true"));
        let named = format!("call='{call}'");
        join(&bert, &room, &named);
        let wrong = format!("<join xmlns='{NS}' {named}><publish>v=0</publish></join>");
        let wrong = json!({ "type": "set", "to": room, "payload": wrong });
        assert_eq!(bert.refused("iq", wrong), "not-acceptable");

        stage.server.kill_and_start();
        let [anna, bert] = [anna, bert].map(|client| {
            client.next("disconnected");
            stage.come_online(&client.account, "phone")
        });
        let again = join(&anna, &room, &named);
        assert_eq!(attr(&again, "participant"), attr(&joined, "participant"), "the same name");
        join(&bert, &room, &named);
        bert.ask("join", json!({ "room": room, "nick": "Bert" }));
        for client in [&anna, &bert] {
            ask(client, &room, "set", &format!("<leave xmlns='{NS}' {named}/>"));
        }
        let ended: Value = bert.expect("message", rings("The call ended."));
        assert!(ended["stanza_id"]["id"].is_string(), "{ended}");
    });
}
