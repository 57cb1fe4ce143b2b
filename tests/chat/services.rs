//! What clients ask the server: service discovery (XEP-0030), ping (XEP-0199), version (XEP-0092),
//! time (XEP-0202), vcard-temp (XEP-0054), private storage (XEP-0049), uploads (XEP-0363).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::stage::scenario;

#[test]
fn the_server_says_what_it_can() {
    scenario(|stage| {
        let anna = stage.someone();
        let server = anna.ask("disco_info", json!({ "jid": "localhost" }));
        assert!(server["identities"].as_array().unwrap().contains(&json!("server/im")), "{server}");
        let features = server["features"].as_array().unwrap();
        for feature in [
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "urn:xmpp:carbons:2",
            "urn:xmpp:ping",
            "urn:xmpp:blocking",
            "jabber:iq:version",
            "urn:xmpp:time",
        ] {
            assert!(features.contains(&json!(feature)), "{feature} is not in {server}");
        }
    });
}

#[test]
fn an_account_says_what_it_can() {
    scenario(|stage| {
        let anna = stage.someone();
        let account = anna.ask("disco_info", json!({ "jid": anna.bare() }));
        let identities = account["identities"].as_array().unwrap();
        for identity in ["account/registered", "pubsub/pep"] {
            assert!(identities.contains(&json!(identity)), "{identity} is not in {account}");
        }
        let features = account["features"].as_array().unwrap();
        for feature in [
            "urn:xmpp:mam:2",
            "urn:xmpp:mam:2#extended",
            "urn:xmpp:sid:0",
            "http://jabber.org/protocol/pubsub#publish-options",
            "http://jabber.org/protocol/pubsub#persistent-items",
        ] {
            assert!(features.contains(&json!(feature)), "{feature} is not in {account}");
        }
    });
}

#[test]
fn server_and_clients_answer_pings_and_say_their_version_and_time() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("ping", json!({}));
        anna.ask("ping", json!({ "jid": bert.jid() }));
        let version = anna.ask("version", json!({ "jid": "localhost" }));
        let name = if crate::server::is_prosody() { "Prosody" } else { "Whimbrel" };
        assert_eq!(version["name"], name);
        anna.ask("version", json!({ "jid": bert.jid() }));
        let time = anna.ask("time", json!({ "jid": "localhost" }));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((time["utc"].as_f64().unwrap() - now).abs() < 60.0, "{time}");
    });
}

#[test]
fn what_nobody_understands_is_answered() {
    scenario(|stage| {
        let anna = stage.someone();
        let ask =
            |to: &str| json!({ "type": "get", "to": to, "payload": "<q xmlns='urn:example:q'/>" });
        for to in ["localhost", anna.bare(), "zzzzzzzzzzzz@localhost"] {
            assert_eq!(anna.refused("iq", ask(to)), "service-unavailable", "{to}");
        }
        let gone = format!("{}/gone", anna.bare());
        assert_eq!(anna.refused("iq", ask(&gone)), "service-unavailable");
    });
}

#[test]
fn a_vcard_is_kept_and_read_by_others() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        anna.ask("set_vcard", json!({ "name": "Anna Ångström" }));
        assert_eq!(anna.ask("vcard", json!({}))["name"], "Anna Ångström");
        assert_eq!(bert.ask("vcard", json!({ "jid": anna.bare() }))["name"], "Anna Ångström");
    });
}

#[test]
fn private_storage_is_the_accounts_own() {
    scenario(|stage| {
        let (anna, bert) = stage.friends();
        let notes = "<notes xmlns='urn:example:notes'><note>mine</note></notes>";
        anna.ask("keep_private", json!({ "payload": notes }));
        let ask = json!({ "name": "notes", "namespace": "urn:example:notes" });
        let kept = anna.ask("private", ask.clone())["payload"].as_str().unwrap().to_owned();
        assert!(kept.contains(">mine<"), "{kept}");
        let other = bert.ask("private", ask)["payload"].as_str().unwrap().to_owned();
        assert!(!other.contains("mine"), "{other}");
    });
}

#[test]
fn a_file_is_uploaded_and_shared() {
    scenario(|stage| {
        let (anna, bert) = (stage.someone(), stage.someone());
        let content = "a small text\n".repeat(1000);
        let file = json!({ "name": "n\u{f6}tes 1.txt", "content": content, "type": "text/plain" });
        let url = anna.ask("upload", file)["url"].clone();
        anna.send(bert.bare(), json!({ "body": url, "url": url }));
        let got = bert.expect("message", json!({ "url": url }));
        let fetched = bert.ask("fetch", json!({ "url": got["url"] }));
        assert_eq!((&fetched["status"], &fetched["content"]), (&json!(200), &json!(content)));
        assert_eq!(fetched["type"], "text/plain");
    });
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_sent() {
    scenario(|stage| {
        let anna = stage.someone();
        let items = anna.ask("disco_items", json!({ "jid": "localhost" }));
        let services = items["items"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
        let service = services
            .chain(["localhost"])
            .find(|jid| {
                let info = anna.ask("disco_info", json!({ "jid": jid }));
                info["features"].as_array().unwrap().contains(&json!("urn:xmpp:http:upload:0"))
            })
            .expect("an upload service");
        let slot = |size: u64| json!({ "service": service, "name": "film.mp4", "size": size });
        anna.ask("slot", slot(5000));
        assert_eq!(anna.refused("slot", slot(1 << 60)), "not-acceptable");
    });
}
