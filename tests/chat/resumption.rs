//! XEP-0198 Stream Management: connections that are lost.

use serde_json::json;

use crate::stage::scenario;

#[test]
fn a_lost_connection_is_resumed_and_nothing_is_lost_or_doubled() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        anna.send(bert.bare(), json!({ "body": "before" }));
        bert.expect("message", json!({ "body": "before" }));
        for round in 0..3 {
            bert.ask("cut", json!({}));
            for number in 0..3 {
                anna.send(bert.bare(), json!({ "body": format!("{round}.{number}") }));
            }
            anna.ask("sync", json!({}));
            assert_eq!(bert.ask("reconnect", json!({}))["resumed"], true);
            for number in 0..3 {
                assert_eq!(bert.next("message")["body"], format!("{round}.{number}"));
            }
        }
        // A resumed stream works both ways, carbons and all, and has its presence still.
        bert.send(anna.bare(), json!({ "body": "back" }));
        anna.expect("message", json!({ "body": "back", "from": bert.jid() }));
        bert.expect_none("message", json!({}));
    });
}

#[test]
fn what_a_device_did_not_acknowledge_reaches_its_next_session() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        let bert = stage.come_online(&account, "phone");
        bert.ask("cut", json!({}));
        for number in 0..3 {
            anna.send(&account.jid, json!({ "body": number.to_string() }));
        }
        anna.ask("sync", json!({}));
        // The app was killed: the phone knows of no stream to resume.
        let restarted = stage.come_online(&account, "phone");
        for number in 0..3 {
            assert_eq!(restarted.next("message")["body"], number.to_string());
        }
        restarted.expect_none("message", json!({}));
    });
}

#[test]
fn a_stream_is_resumed_by_its_owner_only() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        bert.ask("cut", json!({}));
        anna.ask("cut", json!({}));
        // Anna's client is made to ask for Bert's stream.
        let id = bert.ask("stream_to_resume", json!({}))["id"].clone();
        anna.ask("pretend_stream", json!({ "id": id }));
        assert_eq!(anna.ask("reconnect", json!({}))["resumed"], false);
        assert_eq!(bert.ask("reconnect", json!({}))["resumed"], true);
    });
}

#[test]
fn what_is_handled_is_acknowledged() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        let ids: Vec<_> = (0..7).map(|_| anna.send(bert.bare(), json!({ "body": "?" }))).collect();
        anna.ask("sync", json!({}));
        for id in ids {
            anna.expect("acknowledged", json!({ "id": id }));
        }
    });
}
