//! XEP-0313 Message Archive Management, paged by XEP-0059.

use serde_json::{Value, json};

use crate::clients::Client;
use crate::stage::{Stage, scenario};

const MESSAGES: usize = 12;

/// Anna with an archive: twelve messages, every third of them from Carla, the others with Bert.
fn anna_with_an_archive(stage: &Stage) -> (Client, Client, Client) {
    let [anna, bert, carla] = [stage.someone(), stage.someone(), stage.someone()];
    for number in 0..MESSAGES {
        let what = json!({ "body": number.to_string() });
        let sender = match number % 3 {
            0 => &carla,
            1 => &bert,
            _ => &anna,
        };
        match number % 3 {
            2 => sender.send(bert.bare(), what),
            _ => sender.send(anna.bare(), what),
        };
        sender.ask("sync", json!({}));
    }
    (anna, bert, carla)
}

fn bodies(page: &Value) -> Vec<usize> {
    let messages = page["messages"].as_array().unwrap();
    messages.iter().map(|message| message["body"].as_str().unwrap().parse().unwrap()).collect()
}

#[test]
fn pages_lead_forward_and_backward_through_all() {
    scenario(|stage| {
        let (anna, ..) = anna_with_an_archive(stage);
        let all = Vec::from_iter(0..MESSAGES);

        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let mut page = json!({ "max": 5 });
            if !after.is_null() {
                page["after"] = after;
            }
            let page = anna.ask("archive", json!({ "page": page }));
            found.extend(bodies(&page));
            if page["complete"] == true {
                break;
            }
            after = page["last"].clone();
        }
        assert_eq!(found, all);

        let (mut found, mut before) = (Vec::new(), json!(""));
        loop {
            let page = json!({ "max": 5, "before": before });
            let page = anna.ask("archive", json!({ "page": page }));
            // A page runs forward, also where the pages run backward.
            found.splice(0..0, bodies(&page));
            if page["complete"] == true {
                break;
            }
            before = page["first"].clone();
        }
        assert_eq!(found, all);
    });
}

#[test]
fn an_archive_is_asked_for_one_conversation() {
    scenario(|stage| {
        let (anna, bert, carla) = anna_with_an_archive(stage);
        let with_carla = anna.ask("archive", json!({ "with_jid": carla.bare() }));
        assert_eq!(bodies(&with_carla), [0, 3, 6, 9]);
        let with_bert = anna.ask("archive", json!({ "with_jid": bert.bare() }));
        assert_eq!(bodies(&with_bert), [1, 2, 4, 5, 7, 8, 10, 11]);
        assert_eq!(bodies(&bert.ask("archive", json!({}))), [1, 2, 4, 5, 7, 8, 10, 11]);
        let last = json!({ "with_jid": bert.bare(), "page": { "max": 3, "before": "" } });
        assert_eq!(bodies(&anna.ask("archive", last)), [8, 10, 11]);
        let nobody = anna.ask("archive", json!({ "with_jid": "zzzzzzzzzzzz@localhost" }));
        assert_eq!((bodies(&nobody), &nobody["complete"]), (vec![], &json!(true)));
    });
}

#[test]
fn an_archive_is_asked_by_time() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        let mut stamps = Vec::new();
        for number in 0..3 {
            // Stamps may be of whole seconds.
            std::thread::sleep(std::time::Duration::from_millis(1100));
            anna.send(bert.bare(), json!({ "body": number.to_string() }));
            anna.ask("sync", json!({}));
        }
        let all = anna.ask("archive", json!({}));
        for message in all["messages"].as_array().unwrap() {
            stamps.push(message["stamp"].as_str().unwrap().to_owned());
        }
        let from_second = anna.ask("archive", json!({ "start": stamps[1] }));
        assert_eq!(bodies(&from_second), [1, 2], "{stamps:?}");
        let until_first = anna.ask("archive", json!({ "end": stamps[0] }));
        assert!(bodies(&until_first).len() <= 1, "{stamps:?}");
        let between = anna.ask("archive", json!({ "start": stamps[1], "end": stamps[2] }));
        assert_eq!(bodies(&between)[0], 1, "{stamps:?}");
        let later = anna.ask("archive", json!({ "start": "2999-01-01T00:00:00Z" }));
        assert_eq!(bodies(&later), Vec::<usize>::new());
    });
}

#[test]
fn an_archive_is_asked_by_ids() {
    scenario(|stage| {
        let (anna, ..) = anna_with_an_archive(stage);
        let all = anna.ask("archive", json!({}));
        let ids: Vec<_> = all["messages"].as_array().unwrap().iter().collect();
        let id = |number: usize| ids[number]["archive_id"].clone();
        let some = anna.ask("archive", json!({ "ids": [id(7), id(2)] }));
        assert_eq!(bodies(&some), [2, 7]);
        let between = json!({ "after_id": id(3), "before_id": id(6) });
        assert_eq!(bodies(&anna.ask("archive", between)), [4, 5]);
        let unknown = json!({ "page": { "max": 5, "after": "never-was" } });
        assert_eq!(anna.refused("archive", unknown), "item-not-found");
        if !stage.prosody_lacks("an error for unknown ids") {
            let unknown = json!({ "ids": [id(1), "never-was"] });
            assert_eq!(anna.refused("archive", unknown), "item-not-found");
        }
    });
}

#[test]
fn a_flipped_page_runs_backward() {
    scenario(|stage| {
        if stage.prosody_lacks("flipped pages") {
            return;
        }
        let (anna, ..) = anna_with_an_archive(stage);
        let query = json!({ "page": { "max": 4, "before": "" }, "flip": true });
        assert_eq!(bodies(&anna.ask("archive", query)), [11, 10, 9, 8]);
    });
}

#[test]
fn an_archive_says_where_it_begins_and_what_it_is_asked_by() {
    scenario(|stage| {
        let (anna, ..) = anna_with_an_archive(stage);
        let all = anna.ask("archive", json!({}));
        let messages = all["messages"].as_array().unwrap();
        let bounds = anna.ask("archive_bounds", json!({}));
        assert_eq!(bounds["start"]["id"], messages[0]["archive_id"]);
        assert_eq!(bounds["end"]["id"], messages[MESSAGES - 1]["archive_id"]);
        let fields = anna.ask("archive_filters", json!({}));
        for field in ["with", "start", "end", "before-id", "after-id", "ids"] {
            assert!(fields["fields"].as_array().unwrap().contains(&json!(field)), "{fields}");
        }
        let nobody = stage.someone().ask("archive_bounds", json!({}));
        assert_eq!(nobody, json!({}));
    });
}

#[test]
fn what_came_live_bears_the_archives_id() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        anna.send(bert.bare(), json!({ "body": "one id" }));
        let got = bert.expect("message", json!({ "body": "one id" }));
        let archive = bert.ask("archive", json!({}));
        let kept = &archive["messages"][0];
        assert_eq!(kept["archive_id"], got["stanza_id"]["id"]);
        assert_eq!(kept["from"], anna.jid());
        assert!(kept["stamp"].is_string(), "{kept}");
        // Anna's has the same message, and nobody else may read either.
        assert_eq!(anna.ask("archive", json!({}))["messages"][0]["id"], got["id"]);
        let query = "<query xmlns='urn:xmpp:mam:2'/>";
        let ask = json!({ "type": "set", "to": bert.bare(), "payload": query });
        let condition = anna.refused("iq", ask);
        let refusals = ["forbidden", "not-allowed", "service-unavailable"];
        assert!(refusals.contains(&&*condition), "{condition}");
    });
}
