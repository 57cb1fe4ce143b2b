//! Groups (docs/protocol/groups.md) as clients have them that know XEP-0045 Multi-User Chat alone,
//! through the death of the server.

use serde_json::{Value, json};

use crate::clients::Client;
use crate::stage::{Stage, scenario_apart};

const GROUPS: &str = "groups.localhost";
const NS: &str = "urn:whimbrel:groups:0";

/// Says something in a room, and waits until it comes back, as it does to all.
fn say(client: &Client, room: &str, nick: &str, text: &str) -> Value {
    client.send(room, json!({ "type": "groupchat", "body": text }));
    client.expect("message", said(room, nick, text))
}

fn said(room: &str, nick: &str, text: &str) -> Value {
    json!({ "type": "groupchat", "from": format!("{room}/{nick}"), "body": text })
}

fn join(client: &Client, room: &str, nick: &str) -> Value {
    client.ask("join", json!({ "room": room, "nick": nick }))
}

/// What people said, as the room's archive has it; what happened to the room is left out.
fn archived(client: &Client, room: &str) -> Vec<Value> {
    let page = client.ask("archive", json!({ "of": room }));
    assert_eq!(page["complete"], true);
    let all = page["messages"].as_array().unwrap().iter();
    all.filter(|message| message["from"].as_str().is_some_and(|from| from.contains('/')))
        .map(|message| json!([message["body"], message["archive_id"]]))
        .collect()
}

fn stored(message: &Value) -> Value {
    json!([message["body"], message["stanza_id"]["id"]])
}

/// Kills the server; who was there comes again, by a new session.
fn after_a_kill<const N: usize>(stage: &mut Stage, clients: [Client; N]) -> [Client; N] {
    stage.server.kill_and_start();
    clients.map(|client| {
        client.next("disconnected");
        stage.come_online(&client.account, "phone")
    })
}

#[test]
fn a_group_of_one_request_is_a_room_to_others_and_survives_a_kill() {
    scenario_apart(|stage| {
        if stage.prosody_lacks("groups") {
            return;
        }
        let [anna, bert, carla] = [stage.someone(), stage.someone(), stage.someone()];
        let create = format!(
            "<create xmlns='{NS}'><name>Family</name><permissions history='true'/>\
             <member jid='{}'/></create>",
            bert.bare()
        );
        let with = json!({ "type": "set", "to": GROUPS, "payload": create });
        let made = anna.ask("iq", with)["payload"][0].as_str().unwrap().to_owned();
        let room = made.split_once("jid=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
        let info = bert.ask("disco_info", json!({ "jid": room }));
        for feature in ["muc_membersonly", "muc_persistent", "muc_nonanonymous", "urn:xmpp:mam:2"] {
            assert!(info["features"].as_array().unwrap().contains(&json!(feature)), "{info}");
        }

        assert_eq!(join(&anna, &room, "Anna")["affiliation"], "owner");
        assert_eq!(join(&bert, &room, "Bert")["occupants"], json!(["Anna"]));
        anna.expect("presence", json!({ "from": format!("{room}/Bert"), "type": "available" }));
        let as_carla = json!({ "room": room, "nick": "Carla" });
        assert_eq!(carla.refused("join", as_carla.clone()), "registration-required");
        let mut all = vec![say(&anna, &room, "Anna", "hello Bert")];
        bert.expect("message", said(&room, "Anna", "hello Bert"));
        all.push(say(&bert, &room, "Bert", "hello Anna"));
        anna.expect("message", said(&room, "Bert", "hello Anna"));
        let member = json!({ "room": room, "jid": carla.bare(), "affiliation": "member" });
        assert_eq!(bert.refused("affiliate", member.clone()), "forbidden");
        anna.ask("affiliate", member);
        let joined = carla.ask("join", json!({ "room": room, "nick": "Carla", "history": 20 }));
        assert_eq!(joined["occupants"], json!(["Anna", "Bert"]));
        let before = joined["history"].as_array().unwrap();
        for text in ["hello Bert", "hello Anna"] {
            assert!(before.contains(&json!(text)), "{joined}");
        }
        all.push(say(&carla, &room, "Carla", "hello both"));
        let kept: Vec<Value> = all.iter().map(stored).collect();
        assert_eq!(archived(&bert, &room), kept);

        let [anna, bert, carla] = after_a_kill(stage, [anna, bert, carla]);
        assert_eq!(archived(&carla, &room), kept);
        join(&anna, &room, "Anna");
        assert_eq!(join(&carla, &room, "Carla")["affiliation"], "member");
        // Bert is a member who has not joined, and misses nothing.
        all.push(say(&carla, &room, "Carla", "still here"));
        anna.expect("message", said(&room, "Carla", "still here"));
        let kept: Vec<Value> = all.iter().map(stored).collect();
        assert_eq!(archived(&bert, &room), kept);
        let mut members = vec![bert.bare(), carla.bare()];
        members.sort_unstable();
        let list = anna.ask("affiliated", json!({ "room": room, "affiliation": "member" }));
        assert_eq!(list["jids"], json!(members));

        let out = json!({ "room": room, "jid": carla.bare(), "affiliation": "none" });
        anna.ask("affiliate", out);
        carla.expect("presence", json!({ "from": format!("{room}/Carla"), "type": "unavailable" }));
        say(&anna, &room, "Anna", "without Carla");
        carla.expect_none("message", json!({ "body": "without Carla" }));
        let [anna, bert, carla] = after_a_kill(stage, [anna, bert, carla]);
        assert_eq!(carla.refused("join", as_carla), "registration-required");
        let of_the_room = carla.refused("archive", json!({ "of": room }));
        assert!(["forbidden", "registration-required"].contains(&&*of_the_room), "{of_the_room}");
        join(&bert, &room, "Bert");
        join(&anna, &room, "Anna");
        say(&bert, &room, "Bert", "we two");
        anna.expect("message", said(&room, "Bert", "we two"));
    });
}

#[test]
fn a_room_that_is_made_by_joining_it_is_a_group_and_survives_a_kill() {
    scenario_apart(|stage| {
        if stage.prosody_lacks("groups") {
            return;
        }
        let (anna, bert) = (stage.someone(), stage.someone());
        let room = format!("tea@{GROUPS}");
        let made = join(&anna, &room, "Anna");
        // It is new, and everybody sees who is in it.
        assert_eq!(made["statuses"], json!([100, 110, 201]));
        anna.ask("configure", json!({ "room": room, "roomname": "Tea time" }));
        let member = json!({ "room": room, "jid": bert.bare(), "affiliation": "member" });
        anna.ask("affiliate", member);
        let first = say(&anna, &room, "Anna", "four o'clock");

        let [anna, bert] = after_a_kill(stage, [anna, bert]);
        let info = bert.ask("disco_info", json!({ "jid": room }));
        assert_eq!(info["identities"], json!(["conference/text"]));
        let shown = format!("<group xmlns='{NS}'/>");
        let shown = bert.ask("iq", json!({ "type": "get", "to": room, "payload": shown }));
        assert!(shown["payload"][0].as_str().unwrap().contains("Tea time"), "{shown}");
        for client in [&anna, &bert] {
            assert_eq!(archived(client, &room), [stored(&first)]);
        }
        assert_eq!(join(&bert, &room, "Bert")["occupants"], json!([]));
        join(&anna, &room, "Anna");
        let picture = json!({ "type": "groupchat", "url": "https://example.org/cake.jpg" });
        bert.send(&room, picture.clone());
        anna.expect("message", picture);
        bert.ask("leave", json!({ "room": room, "nick": "Bert" }));
        anna.expect("presence", json!({ "from": format!("{room}/Bert"), "type": "unavailable" }));
    });
}
