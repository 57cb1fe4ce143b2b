//! Logging in: RFC 6120 (STARTTLS, SASL, binding), XEP-0368 (direct TLS), RFC 5802 and 7677 (SCRAM).

use serde_json::json;

use crate::clients::{Login, Tls};
use crate::stage::scenario;

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"];

#[test]
fn each_mechanism_logs_in_over_tls() {
    scenario(|stage| {
        let account = stage.server.account();
        for mechanism in MECHANISMS {
            if mechanism == "SCRAM-SHA-512" && stage.prosody_lacks(mechanism) {
                continue;
            }
            for tls in [Tls::Starttls, Tls::Direct] {
                let login = Login { tls, mechanism: Some(mechanism), ..Login::default() };
                let client = stage.try_log_in(&account, login).unwrap();
                assert_eq!(client.session["mechanism"], mechanism);
                assert_eq!(client.jid(), format!("{}/phone", account.jid));
                client.ask("close", json!({}));
            }
        }
    });
}

#[test]
fn a_client_left_to_itself_chooses_scram() {
    scenario(|stage| {
        let client = stage.try_log_in(&stage.server.account(), Login::default()).unwrap();
        let chosen = client.session["mechanism"].as_str().unwrap();
        assert!(chosen.starts_with("SCRAM-SHA-"), "{chosen}");
        assert_eq!(client.session["resumable"], true);
    });
}

#[test]
fn a_wrong_password_tells_no_more_than_an_unknown_account() {
    scenario(|stage| {
        for mechanism in MECHANISMS {
            if mechanism == "SCRAM-SHA-512" && stage.prosody_lacks(mechanism) {
                continue;
            }
            let login = Login { mechanism: Some(mechanism), ..Login::default() };
            let mut wrong = stage.server.account();
            wrong.password.push('!');
            let mut unknown = stage.server.account();
            unknown.jid = "zzzzzzzzzzzz@localhost".to_owned();
            for account in [wrong, unknown] {
                let refused = stage.try_log_in(&account, login).err().unwrap();
                assert_eq!(refused["condition"], "not-authorized", "{mechanism} {account:?}");
            }
        }
    });
}

#[test]
fn nobody_logs_in_over_a_connection_that_can_be_read() {
    scenario(|stage| {
        let account = stage.server.account();
        for mechanism in MECHANISMS {
            let login = Login { tls: Tls::None, mechanism: Some(mechanism), ..Login::default() };
            let refused = stage.try_log_in(&account, login).err().unwrap();
            let condition = refused["condition"].as_str().unwrap();
            let refusals = ["no-way-to-log-in", "policy-violation", "encryption-required"];
            assert!(refusals.contains(&condition), "{mechanism}: {refused}");
        }
    });
}

#[test]
fn a_phone_number_is_a_name_to_log_in_by() {
    scenario(|stage| {
        if stage.prosody_lacks("accounts by number") {
            return;
        }
        let account = stage.server.account();
        let mut by_number = account.clone();
        by_number.jid = format!("{}@localhost", account.number);
        let client = stage.log_in(&by_number, "phone");
        assert_eq!(client.bare(), account.jid);
    });
}

#[test]
fn a_client_changes_its_password_and_ends_its_account() {
    scenario(|stage| {
        let mut account = stage.server.account();
        let client = stage.log_in(&account, "phone");
        let register = |inside: &str| {
            let payload = format!("<query xmlns='jabber:iq:register'>{inside}</query>");
            json!({ "type": "set", "to": "localhost", "payload": payload })
        };
        // slixmpp tries the others where it is refused with one.
        let plain = Login { mechanism: Some("PLAIN"), ..Login::default() };
        let name = account.jid.split('@').next().unwrap();
        let changed = format!("<username>{name}</username><password>another horse</password>");
        client.ask("iq", register(&changed));
        let refused = stage.try_log_in(&account, plain).err().unwrap();
        assert_eq!(refused["condition"], "not-authorized");
        account.password = "another horse".to_owned();
        let client = stage.try_log_in(&account, plain).unwrap();
        client.ask("iq", register("<remove/>"));
        let refused = stage.try_log_in(&account, plain).err().unwrap();
        assert_eq!(refused["condition"], "not-authorized");
    });
}

#[test]
fn a_password_may_be_of_any_language() {
    scenario(|stage| {
        let account = stage.server.account_with("Füße 馬 \"quoted\" <&>");
        for mechanism in ["PLAIN", "SCRAM-SHA-256"] {
            let login = Login { mechanism: Some(mechanism), ..Login::default() };
            stage.try_log_in(&account, login).unwrap();
        }
    });
}

#[test]
fn a_second_login_with_the_same_resource_takes_its_place() {
    scenario(|stage| {
        let account = stage.server.account();
        let old = stage.log_in(&account, "phone");
        let new = stage.log_in(&account, "phone");
        assert_eq!(old.jid(), new.jid());
        old.expect("disconnected", json!({ "condition": "conflict" }));
        new.ask("ping", json!({}));
    });
}

#[test]
fn a_client_without_a_resource_is_given_one() {
    scenario(|stage| {
        let account = stage.server.account();
        let one = stage.log_in(&account, "");
        let two = stage.log_in(&account, "");
        assert_ne!(one.jid(), two.jid());
        assert!(one.jid().len() > one.bare().len() + 1, "{}", one.jid());
    });
}
