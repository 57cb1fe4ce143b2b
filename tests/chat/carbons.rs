//! XEP-0280 Message Carbons.

use serde_json::json;

use crate::clients::Client;
use crate::stage::{Stage, scenario};

/// Anna's phone and laptop, and Bert.
fn cast(stage: &Stage) -> (Client, Client, Client) {
    let account = stage.server.account();
    let (phone, bert) = (stage.come_online(&account, "phone"), stage.someone());
    (phone, stage.come_online(&account, "laptop"), bert)
}

#[test]
fn what_one_device_sends_the_other_sees() {
    scenario(|stage| {
        let (phone, laptop, bert) = cast(stage);
        let id = phone.send(bert.bare(), json!({ "body": "from my phone" }));
        let carbon = laptop.next("message");
        assert_eq!(carbon["from"], phone.bare());
        let inner = &carbon["carbon_sent"];
        assert_eq!((&inner["body"], &inner["id"]), (&json!("from my phone"), &json!(id)));
        assert_eq!((&inner["from"], &inner["to"]), (&json!(phone.jid()), &json!(bert.bare())));
        phone.expect_none("message", json!({}));
    });
}

#[test]
fn what_one_device_is_sent_the_other_sees() {
    scenario(|stage| {
        let (phone, laptop, bert) = cast(stage);
        bert.send(phone.jid(), json!({ "body": "to your phone" }));
        phone.expect("message", json!({ "body": "to your phone" }));
        let carbon = laptop.expect("message", json!({ "from": phone.bare() }));
        assert_eq!(carbon["carbon_received"]["body"], "to your phone");
        assert_eq!(carbon["carbon_received"]["from"], bert.jid());
    });
}

#[test]
fn private_messages_are_not_copied() {
    scenario(|stage| {
        let (phone, laptop, bert) = cast(stage);
        let private = "<private xmlns='urn:xmpp:carbons:2'/>";
        bert.send(phone.jid(), json!({ "body": "psst", "payload": private, "hints": ["no-copy"] }));
        phone.expect("message", json!({ "body": "psst" }));
        phone.send(bert.jid(), json!({ "body": "what?", "payload": private }));
        bert.expect("message", json!({ "body": "what?" }));
        laptop.expect_none("message", json!({}));
    });
}

#[test]
fn who_did_not_ask_gets_no_copies() {
    scenario(|stage| {
        let (phone, laptop, bert) = cast(stage);
        laptop.ask("carbons", json!({ "on": false }));
        phone.send(bert.bare(), json!({ "body": "one" }));
        bert.send(phone.jid(), json!({ "body": "two" }));
        phone.expect("message", json!({ "body": "two" }));
        laptop.expect_none("message", json!({}));
    });
}
