//! Contacts and subscriptions: RFC 6121 2 and 3.

use serde_json::{Value, json};

use crate::stage::{befriend, scenario};

fn subscribe(kind: &str, to: &str) -> Value {
    json!({ "type": kind, "to": to })
}

#[test]
fn a_contact_is_kept_and_pushed_to_all_devices() {
    scenario(|stage| {
        let account = stage.server.account();
        let phone = stage.come_online(&account, "phone");
        let laptop = stage.come_online(&account, "laptop");
        let jid = "friend@elsewhere.example";
        phone.ask("contact", json!({ "jid": jid, "name": "Zoë", "groups": ["A", "B & C"] }));
        let item =
            json!({ "jid": jid, "name": "Zoë", "subscription": "none", "groups": ["A", "B & C"] });
        for device in [&phone, &laptop] {
            device.expect("roster", item.clone());
        }
        assert_eq!(laptop.ask("roster", json!({}))["items"], json!([item]));
        let version = laptop.ask("roster_since", json!({ "version": "" }))["version"].clone();
        let unchanged = laptop.ask("roster_since", json!({ "version": version }));
        assert_eq!(unchanged, json!({ "version": null }), "version {version}");
        laptop.ask("contact", json!({ "jid": jid, "name": "Zoe", "groups": [] }));
        phone.expect("roster", json!({ "jid": jid, "name": "Zoe", "groups": [] }));
        laptop.ask("remove_contact", json!({ "jid": jid }));
        phone.expect("roster", json!({ "jid": jid, "subscription": "remove" }));
        assert_eq!(phone.ask("roster", json!({}))["items"], json!([]));
    });
}

#[test]
fn two_people_subscribe_and_part_again() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        anna.ask("subscription", subscribe("subscribe", bert.bare()));
        anna.expect(
            "roster",
            json!({ "jid": bert.bare(), "ask": "subscribe", "subscription": "none" }),
        );
        bert.expect("presence", json!({ "type": "subscribe", "from": anna.bare() }));
        bert.ask("subscription", subscribe("subscribed", anna.bare()));
        anna.expect("presence", json!({ "type": "subscribed", "from": bert.bare() }));
        anna.expect("roster", json!({ "jid": bert.bare(), "subscription": "to" }));
        bert.expect("roster", json!({ "jid": anna.bare(), "subscription": "from" }));
        anna.expect("presence", json!({ "type": "available", "from": bert.jid() }));
        bert.expect_none("presence", json!({ "type": "available", "from": anna.jid() }));

        bert.ask("subscription", subscribe("unsubscribed", anna.bare()));
        anna.expect("roster", json!({ "jid": bert.bare(), "subscription": "none" }));
        anna.expect("presence", json!({ "type": "unavailable", "from": bert.jid() }));
    });
}

#[test]
fn unsubscribing_ends_one_direction_only() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("subscription", subscribe("unsubscribe", bert.bare()));
        anna.expect("roster", json!({ "jid": bert.bare(), "subscription": "from" }));
        bert.expect("roster", json!({ "jid": anna.bare(), "subscription": "to" }));
        if !stage.prosody_lacks("the end of presence for who unsubscribes") {
            anna.expect("presence", json!({ "type": "unavailable", "from": bert.jid() }));
        }
        anna.ask("presence", json!({ "status": "still seen" }));
        bert.expect("presence", json!({ "from": anna.jid(), "status": "still seen" }));
    });
}

#[test]
fn a_request_waits_for_who_is_away() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        anna.ask("subscription", subscribe("subscribe", &account.jid));
        anna.expect("roster", json!({ "jid": account.jid, "ask": "subscribe" }));
        for _ in 0..2 {
            // It comes at each login until it is answered.
            let bert = stage.come_online(&account, "phone");
            bert.expect("presence", json!({ "type": "subscribe", "from": anna.bare() }));
            bert.ask("close", json!({}));
        }
        let bert = stage.come_online(&account, "phone");
        bert.ask("subscription", subscribe("unsubscribed", anna.bare()));
        anna.expect("presence", json!({ "type": "unsubscribed" }));
        bert.ask("close", json!({}));
        let bert = stage.come_online(&account, "laptop");
        bert.expect_none("presence", json!({ "type": "subscribe" }));
    });
}

#[test]
fn removing_a_contact_ends_both_subscriptions() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("remove_contact", json!({ "jid": bert.bare() }));
        anna.expect("roster", json!({ "jid": bert.bare(), "subscription": "remove" }));
        bert.expect("roster", json!({ "jid": anna.bare(), "subscription": "none" }));
        if !stage.prosody_lacks("the end of presence for who may not see it any more") {
            bert.expect("presence", json!({ "type": "unavailable", "from": anna.jid() }));
            anna.expect("presence", json!({ "type": "unavailable", "from": bert.jid() }));
        }
        // They may find each other again.
        befriend(&anna, &bert);
    });
}
