//! Messages to people who are away: RFC 6121 8.5.2.2, XEP-0160, XEP-0203 (delay), XEP-0334 (hints).

use serde_json::json;

use crate::stage::scenario;

#[test]
fn what_was_sent_meanwhile_comes_later_once_and_in_order() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        for number in 0..5 {
            anna.send(&account.jid, json!({ "body": number.to_string() }));
        }
        anna.ask("sync", json!({}));
        let bert = stage.come_online(&account, "phone");
        for number in 0..5 {
            let got = bert.next("message");
            assert_eq!(got["body"], number.to_string());
            assert_eq!(got["from"], anna.jid());
            assert!(got["delay"].is_string(), "{got}");
        }
        bert.ask("acknowledge", json!({}));
        bert.ask("close", json!({}));
        let again = stage.come_online(&account, "phone");
        again.expect_none("message", json!({}));
    });
}

#[test]
fn what_came_late_is_the_same_message_as_in_the_archive() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        anna.send(&account.jid, json!({ "body": "once" }));
        anna.ask("sync", json!({}));
        let bert = stage.come_online(&account, "phone");
        let got = bert.next("message");
        let archive = bert.ask("archive", json!({}));
        let kept = archive["messages"].as_array().unwrap();
        assert_eq!(kept.len(), 1, "{archive:#}");
        assert_eq!(kept[0]["archive_id"], got["stanza_id"]["id"], "{got:#} {archive:#}");
        assert_eq!(kept[0]["origin_id"], got["origin_id"]);
    });
}

#[test]
fn what_is_only_of_the_moment_is_not_kept() {
    scenario(|stage| {
        if stage.prosody_lacks("judgement of what is worth keeping") {
            return;
        }
        let (anna, account) = (stage.someone(), stage.server.account());
        anna.send(&account.jid, json!({ "chat_state": "composing" }));
        anna.send(&account.jid, json!({ "body": "now or never", "hints": ["no-store"] }));
        anna.send(&account.jid, json!({ "body": "news", "type": "headline" }));
        anna.ask("sync", json!({}));
        let bert = stage.come_online(&account, "phone");
        bert.expect_none("message", json!({}));
        let archive = bert.ask("archive", json!({}));
        assert_eq!(archive["messages"], json!([]), "{archive:#}");
    });
}

#[test]
fn a_negative_priority_gets_nothing_that_is_for_the_account() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        let bot = stage.log_in(&account, "bot");
        bot.ask("presence", json!({ "priority": -1 }));
        bot.expect("presence", json!({ "from": bot.jid() }));
        anna.send(&account.jid, json!({ "body": "to the account" }));
        anna.send(bot.jid(), json!({ "body": "to the bot" }));
        bot.expect("message", json!({ "body": "to the bot" }));
        bot.expect_none("message", json!({ "body": "to the account" }));
        let phone = stage.come_online(&account, "phone");
        phone.expect("message", json!({ "body": "to the account" }));
    });
}

#[test]
fn a_long_absence_ends_with_all_of_it() {
    scenario(|stage| {
        let (anna, account) = (stage.someone(), stage.server.account());
        let padding = "~".repeat(1000);
        for number in 0..1500 {
            anna.send(&account.jid, json!({ "body": format!("{number} {padding}") }));
        }
        anna.ask("sync", json!({}));
        let bert = stage.come_online(&account, "phone");
        for number in 0..1500 {
            let got = bert.next("message");
            assert_eq!(got["body"], format!("{number} {padding}"));
        }
    });
}
