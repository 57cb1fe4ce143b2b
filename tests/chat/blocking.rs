//! XEP-0191 Blocking Command.

use serde_json::json;

use crate::stage::scenario;

#[test]
fn who_is_blocked_reaches_nobody_and_sees_nobody() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let laptop = stage.come_online(&anna.account, "laptop");
        // Pushes go to devices that asked for the list.
        laptop.ask("blocked", json!({}));
        anna.ask("block", json!({ "jids": [bert.bare()] }));
        laptop.expect("blocked", json!({ "jids": [bert.bare()] }));
        bert.expect("presence", json!({ "from": anna.jid(), "type": "unavailable" }));
        assert_eq!(laptop.ask("blocked", json!({}))["jids"], json!([bert.bare()]));

        let id = bert.send(anna.bare(), json!({ "body": "why?" }));
        let error = json!({ "condition": "service-unavailable" });
        bert.expect("message", json!({ "type": "error", "id": id, "error": error }));
        let version = json!({ "jid": anna.jid() });
        assert_eq!(bert.refused("version", version), "service-unavailable");
        anna.ask("presence", json!({ "status": "not for Bert" }));
        bert.expect_none("presence", json!({ "status": "not for Bert" }));
        for device in [&anna, &laptop] {
            device.expect_none("message", json!({ "body": "why?" }));
        }
        let archive = anna.ask("archive", json!({ "with_jid": bert.bare() }));
        assert_eq!(archive["messages"], json!([]));
    });
}

#[test]
fn who_blocks_sends_nothing_to_the_blocked() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("block", json!({ "jids": [bert.bare()] }));
        anna.send(bert.bare(), json!({ "body": "by mistake" }));
        anna.expect(
            "message",
            json!({ "type": "error", "error": { "condition": "not-acceptable" } }),
        );
        bert.expect_none("message", json!({ "body": "by mistake" }));
    });
}

#[test]
fn who_is_unblocked_is_as_before() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let laptop = stage.come_online(&anna.account, "laptop");
        // Pushes go to devices that asked for the list.
        laptop.ask("blocked", json!({}));
        anna.ask("block", json!({ "jids": [bert.bare(), "spam.example"] }));
        bert.expect("presence", json!({ "from": anna.jid(), "type": "unavailable" }));
        anna.ask("unblock", json!({ "jids": [bert.bare()] }));
        laptop.expect("unblocked", json!({ "jids": [bert.bare()] }));
        bert.expect("presence", json!({ "from": anna.jid(), "type": "available" }));
        assert_eq!(anna.ask("blocked", json!({}))["jids"], json!(["spam.example"]));
        bert.send(anna.bare(), json!({ "body": "friends again" }));
        anna.expect("message", json!({ "body": "friends again" }));
        // Without a name, all are unblocked.
        anna.ask("unblock", json!({ "jids": [] }));
        assert_eq!(anna.ask("blocked", json!({}))["jids"], json!([]));
    });
}

#[test]
fn a_list_outlives_the_session() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        anna.ask("block", json!({ "jids": [bert.bare()] }));
        anna.ask("close", json!({}));
        bert.send(anna.bare(), json!({ "body": "while away" }));
        bert.expect("message", json!({ "type": "error" }));
        let anna = stage.come_online(&anna.account, "phone");
        anna.expect_none("message", json!({}));
        assert_eq!(anna.ask("blocked", json!({}))["jids"], json!([bert.bare()]));
    });
}
