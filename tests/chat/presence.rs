//! Presence: RFC 6121 4, XEP-0115 Entity Capabilities.

use serde_json::json;

use crate::stage::scenario;

#[test]
fn a_friend_sees_who_comes_and_goes() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let laptop = stage.come_online(&anna.account, "laptop");
        bert.expect("presence", json!({ "from": laptop.jid(), "type": "available" }));
        // Whoever comes learns who is there.
        laptop.expect("presence", json!({ "from": bert.jid(), "type": "available" }));
        laptop.expect("presence", json!({ "from": anna.jid(), "type": "available" }));
        laptop.ask("presence", json!({ "show": "away", "status": "à table", "priority": 3 }));
        let seen = json!({ "show": "away", "status": "à table", "priority": "3" });
        assert_eq!(bert.expect("presence", seen)["from"], laptop.jid());
        laptop.ask("close", json!({}));
        bert.expect("presence", json!({ "from": laptop.jid(), "type": "unavailable" }));
        anna.expect("presence", json!({ "from": laptop.jid(), "type": "unavailable" }));
    });
}

#[test]
fn strangers_see_nothing_but_what_is_sent_to_them() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        anna.ask("presence", json!({ "status": "for friends" }));
        bert.expect_none("presence", json!({ "from": anna.jid() }));
        anna.ask("presence", json!({ "to": bert.bare(), "status": "for you" }));
        bert.expect("presence", json!({ "from": anna.jid(), "status": "for you" }));
        // Who was sent presence is told of its end.
        anna.ask("close", json!({}));
        bert.expect("presence", json!({ "from": anna.jid(), "type": "unavailable" }));
    });
}

#[test]
fn capabilities_are_told_and_can_be_asked_for() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("presence", json!({ "status": "able" }));
        let seen = bert.expect("presence", json!({ "from": anna.jid(), "status": "able" }));
        let node = format!(
            "{}#{}",
            seen["caps"]["node"].as_str().unwrap(),
            seen["caps"]["ver"].as_str().unwrap()
        );
        let info = bert.ask("disco_info", json!({ "jid": anna.jid(), "node": node }));
        let features = info["features"].as_array().unwrap();
        assert!(features.contains(&json!("urn:xmpp:receipts")), "{info}");
    });
}

#[test]
fn an_idle_client_hears_the_latest_presence_when_it_wakes() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        bert.ask("state", json!({ "active": false }));
        for status in ["one", "two", "three"] {
            anna.ask("presence", json!({ "status": status }));
        }
        anna.send(bert.bare(), json!({ "body": "important" }));
        bert.expect("message", json!({ "body": "important" }));
        bert.ask("state", json!({ "active": true }));
        bert.expect("presence", json!({ "from": anna.jid(), "status": "three" }));
    });
}
