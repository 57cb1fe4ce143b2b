//! Messages between people who are online, and what messages carry.

use serde_json::json;

use crate::stage::scenario;

#[test]
fn a_message_arrives_as_it_was_sent() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        let texts = ["hello", "Grüße 🐦‍⬛ <b>&amp;\"'", "two\nlines\tand a tab", "]]> \u{10ffff}"];
        for body in texts {
            let id = anna.send(bert.bare(), json!({ "body": body }));
            let got = bert.next("message");
            assert_eq!(got["body"], body);
            assert_eq!((&got["id"], &got["origin_id"]), (&json!(id), &json!(id)));
            assert_eq!((&got["from"], &got["to"]), (&json!(anna.jid()), &json!(bert.bare())));
            assert_eq!(got["stanza_id"]["by"], bert.bare());
            assert!(got.get("delay").is_none(), "{got}");
        }
    });
}

#[test]
fn a_message_to_the_bare_address_reaches_all_devices() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        let devices = ["phone", "laptop"].map(|name| stage.come_online(&account, name));
        anna.send(&account.jid, json!({ "body": "both of you" }));
        for device in &devices {
            device.expect("message", json!({ "body": "both of you", "from": anna.jid() }));
        }
    });
}

#[test]
fn messages_of_a_hundred_keep_their_order() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        for number in 0..100 {
            anna.send(bert.bare(), json!({ "body": number.to_string() }));
        }
        for number in 0..100 {
            assert_eq!(bert.next("message")["body"], number.to_string());
        }
    });
}

#[test]
fn a_receipt_comes_back() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let id = anna.send(bert.bare(), json!({ "body": "there?", "wants_receipt": true }));
        bert.expect("message", json!({ "id": id, "wants_receipt": true }));
        // slixmpp sends it by itself.
        anna.expect("message", json!({ "receipt_of": id, "from": bert.jid() }));
    });
}

#[test]
fn markers_and_chat_states_arrive() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.send(bert.jid(), json!({ "chat_state": "composing" }));
        bert.expect("message", json!({ "chat_state": "composing" }));
        let id = anna.send(bert.bare(), json!({ "body": "read me", "markable": true }));
        let got = bert.expect("message", json!({ "id": id, "markable": true }));
        bert.send(anna.bare(), json!({ "displayed": got["id"] }));
        anna.expect("message", json!({ "displayed": id }));
    });
}

#[test]
fn reactions_corrections_retractions_and_replies_arrive_and_are_kept() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let id = anna.send(bert.bare(), json!({ "body": "a cat" }));
        let reactions = json!({ "to": id, "emojis": ["❤️", "🐈"] });
        let reply = json!({ "id": id, "to": anna.bare() });
        bert.send(anna.bare(), json!({ "reactions": reactions, "hints": ["store"] }));
        bert.send(anna.bare(), json!({ "body": "whose?", "replies_to": reply }));
        anna.expect("message", json!({ "reactions": reactions }));
        anna.expect("message", json!({ "replies_to": id, "body": "whose?" }));

        anna.send(bert.bare(), json!({ "body": "a dog", "replaces": id }));
        bert.expect("message", json!({ "replaces": id, "body": "a dog" }));
        anna.send(bert.bare(), json!({ "retracts": id, "hints": ["store"] }));
        bert.expect("message", json!({ "retracts": id }));

        let archive = bert.ask("archive", json!({ "with_jid": anna.bare() }));
        let kept = archive["messages"].as_array().unwrap();
        let has = |field: &str| kept.iter().any(|message| message.get(field).is_some());
        for field in ["reactions", "replies_to", "replaces", "retracts"] {
            assert!(has(field), "{field} is not in {archive:#}");
        }
    });
}

#[test]
fn what_the_server_does_not_know_passes_untouched() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        let payload = "<x xmlns='urn:example:new' a='1'><y xmlns='urn:example:inner'>ä&lt;</y></x>";
        anna.send(bert.bare(), json!({ "body": "new", "payload": payload }));
        let got = bert.expect("message", json!({ "body": "new" }));
        let xml = got["xml"].as_str().unwrap();
        for part in ["urn:example:new", "urn:example:inner", "ä&lt;", "a=\"1\""] {
            assert!(xml.contains(part), "{part} is not in {xml}");
        }
    });
}

#[test]
fn a_message_to_nobody_comes_back_as_an_error() {
    scenario(|stage| {
        let anna = stage.someone();
        let id = anna.send("zzzzzzzzzzzz@localhost", json!({ "body": "anybody?" }));
        let error = json!({ "type": "cancel", "condition": "service-unavailable" });
        anna.expect("message", json!({ "type": "error", "id": id, "error": error }));
    });
}

#[test]
fn a_note_to_oneself_reaches_ones_other_device() {
    scenario(|stage| {
        if stage.prosody_lacks("one entry for a note to oneself") {
            return;
        }
        let account = stage.server.account();
        let phone = stage.come_online(&account, "phone");
        let laptop = stage.come_online(&account, "laptop");
        phone.send(&account.jid, json!({ "body": "buy milk" }));
        laptop.expect("message", json!({ "body": "buy milk", "from": phone.jid() }));
        let archive = laptop.ask("archive", json!({ "with_jid": account.jid }));
        assert_eq!(archive["messages"].as_array().unwrap().len(), 1, "{archive:#}");
    });
}

#[test]
fn a_chat_message_to_a_device_that_is_gone_reaches_the_others() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        anna.send(&format!("{}/old-phone", bert.bare()), json!({ "body": "still you?" }));
        bert.expect("message", json!({ "body": "still you?" }));
    });
}
