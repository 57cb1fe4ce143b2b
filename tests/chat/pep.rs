//! XEP-0163 Personal Eventing Protocol, and what rides on it: bookmarks (XEP-0402), avatars
//! (XEP-0084), how far chats were read (XEP-0490).

use serde_json::{Value, json};

use crate::stage::scenario;

const MOOD: &str = "http://jabber.org/protocol/mood";
const BOOKMARKS: &str = "urn:xmpp:bookmarks:1";
const AVATAR: &str = "urn:xmpp:avatar:metadata";
const DISPLAYED: &str = "urn:xmpp:mds:displayed:0";

fn mood(name: &str) -> Value {
    json!({ "node": MOOD, "payload": format!("<mood xmlns='{MOOD}'><{name}/></mood>") })
}

#[test]
fn friends_who_want_to_hear_of_a_node_do() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let laptop = stage.come_online(&anna.account, "laptop");
        for client in [&bert, &laptop] {
            client.ask("follow", json!({ "nodes": [MOOD] }));
            client.ask("sync", json!({}));
        }
        anna.ask("publish", mood("happy"));
        for client in [&bert, &laptop] {
            let got = client.expect("message", json!({ "from": anna.bare() }));
            let items = &got["pubsub"]["items"];
            assert_eq!(items["node"], MOOD, "{got}");
            assert!(items["items"][0]["payload"].as_str().unwrap().contains("happy"), "{got}");
        }
        anna.expect_none("message", json!({}));
    });
}

#[test]
fn whoever_comes_later_hears_the_last_item() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("publish", mood("sad"));
        anna.ask("publish", mood("happy"));
        bert.ask("follow", json!({ "nodes": [MOOD] }));
        let got = bert.expect("message", json!({ "from": anna.bare() }));
        let payload = got["pubsub"]["items"]["items"][0]["payload"].as_str().unwrap();
        assert!(payload.contains("happy"), "{payload}");
        bert.expect_none("message", json!({ "from": anna.bare() }));
    });
}

#[test]
fn a_node_is_open_to_friends_and_shut_to_strangers() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let stranger = stage.someone();
        anna.ask("publish", mood("calm"));
        let ask = json!({ "node": MOOD, "jid": anna.bare() });
        let items = bert.ask("items", ask.clone());
        assert!(items["items"][0]["payload"].as_str().unwrap().contains("calm"), "{items}");
        let condition = stranger.refused("items", ask);
        assert!(["not-authorized", "forbidden"].contains(&&*condition), "{condition}");
        let theirs = json!({ "jid": anna.bare(), "node": MOOD, "payload": "<x xmlns='urn:x'/>" });
        assert_eq!(bert.refused("publish", theirs), "forbidden");
    });
}

#[test]
fn items_are_fetched_retracted_and_deleted() {
    scenario(|stage| {
        let anna = stage.someone();
        let node = "urn:example:notes";
        let options = json!({ "persist_items": "true", "max_items": "10" });
        for name in ["one", "two", "three"] {
            let payload = format!("<note xmlns='{node}'>{name}</note>");
            anna.ask(
                "publish",
                json!({ "node": node, "item": name, "payload": payload, "options": options }),
            );
        }
        let ids = |items: Value| {
            let mut ids: Vec<_> = items["items"].as_array().unwrap().clone();
            ids.sort_by_key(|item| item["id"].to_string());
            ids.into_iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(ids(anna.ask("items", json!({ "node": node }))), ["one", "three", "two"]);
        let two = anna.ask("items", json!({ "node": node, "items": ["two"] }));
        assert_eq!(ids(two), ["two"]);
        anna.ask("retract", json!({ "node": node, "item": "two" }));
        assert_eq!(ids(anna.ask("items", json!({ "node": node }))), ["one", "three"]);
        let again = json!({ "node": node, "item": "two" });
        assert_eq!(anna.refused("retract", again), "item-not-found");
        anna.ask("delete_node", json!({ "node": node }));
        assert_eq!(anna.refused("items", json!({ "node": node })), "item-not-found");
    });
}

#[test]
fn options_that_do_not_hold_refuse_the_item() {
    scenario(|stage| {
        let anna = stage.someone();
        let node = "urn:example:private";
        let mut publish = json!({ "node": node, "item": "1", "payload": "<p xmlns='urn:p'/>" });
        publish["options"] = json!({ "access_model": "whitelist" });
        anna.ask("publish", publish.clone());
        publish["options"] = json!({ "access_model": "open" });
        assert_eq!(anna.refused("publish", publish.clone()), "conflict");
        anna.ask("configure_node", json!({ "node": node, "options": { "access_model": "open" } }));
        anna.ask("publish", publish);
    });
}

#[test]
fn bookmarks_are_kept_whole_and_told_to_other_devices() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let laptop = stage.come_online(&anna.account, "laptop");
        laptop.ask("follow", json!({ "nodes": [BOOKMARKS] }));
        laptop.ask("sync", json!({}));
        for room in ["tea@rooms.example", "chess@rooms.example"] {
            let bookmark =
                json!({ "room": room, "name": "A room", "nick": "anna", "note": "mine" });
            anna.ask("bookmark", bookmark);
            let got = laptop.expect("message", json!({ "from": anna.bare() }));
            let item = &got["pubsub"]["items"]["items"][0];
            assert_eq!(item["id"], room, "{got}");
        }
        let kept = laptop.ask("items", json!({ "node": BOOKMARKS }));
        let kept = kept["items"].as_array().unwrap();
        assert_eq!(kept.len(), 2, "{kept:?}");
        for item in kept {
            let payload = item["payload"].as_str().unwrap();
            for part in ["autojoin=\"true\"", "name=\"A room\"", "urn:example:note", ">mine<"] {
                assert!(payload.contains(part), "{part} is not in {payload}");
            }
        }
        let theirs = json!({ "node": BOOKMARKS, "jid": anna.bare() });
        let condition = bert.refused("items", theirs);
        assert!(
            ["forbidden", "not-allowed", "item-not-found"].contains(&&*condition),
            "{condition}"
        );

        anna.ask("retract", json!({ "node": BOOKMARKS, "item": "tea@rooms.example" }));
        let got = laptop.expect("message", json!({ "from": anna.bare() }));
        assert_eq!(got["pubsub"]["items"]["retracted"], json!(["tea@rooms.example"]));
    });
}

#[test]
fn an_avatar_is_told_of_and_fetched() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        bert.ask("follow", json!({ "nodes": [AVATAR] }));
        bert.ask("sync", json!({}));
        let picture = data_encoding::BASE64.encode(&Vec::from_iter((0..30_000).map(|n| n as u8)));
        let published = anna.ask("publish_avatar", json!({ "base64": picture }));
        let got = bert.expect("message", json!({ "from": anna.bare() }));
        let id = published["id"].clone();
        assert_eq!(got["pubsub"]["items"]["items"][0]["id"], id, "{got}");
        let fetched = bert.ask("avatar", json!({ "jid": anna.bare(), "id": id }));
        assert_eq!(fetched["base64"], picture);
    });
}

#[test]
fn how_far_a_chat_was_read_is_told_to_other_devices() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let laptop = stage.come_online(&anna.account, "laptop");
        laptop.ask("follow", json!({ "nodes": [DISPLAYED] }));
        laptop.ask("sync", json!({}));
        bert.send(anna.bare(), json!({ "body": "read this" }));
        let got = anna.expect("message", json!({ "body": "read this" }));
        let id = got["stanza_id"]["id"].as_str().unwrap();
        anna.ask("mark_displayed", json!({ "chat": bert.bare(), "stanza_id": id }));
        let told = laptop.expect("message", json!({ "from": anna.bare(), "pubsub": {} }));
        let item = &told["pubsub"]["items"]["items"][0];
        assert_eq!(item["id"], bert.bare(), "{told}");
        assert!(item["payload"].as_str().unwrap().contains(id), "{told}");
    });
}
