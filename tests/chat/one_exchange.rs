//! From the connection to the session in one exchange: SASL2 (XEP-0388) with Bind 2 (XEP-0386),
//! stream management (XEP-0198) inside, and tokens for the next time (XEP-0484).

use std::sync::Arc;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use rustls::version::TLS13;
use serde_json::json;

use crate::server::Account;
use crate::stage::{Stage, scenario};
use crate::tls;
use crate::wire::Wire;
use crate::xml::Element;

const DEVICE: &str = "d4565fa7-4d72-4749-b3d3-740edbf87770";
const OTHER_DEVICE: &str = "6a5a6f0e-3c2b-4d4c-9d55-5a1c9ef7b2aa";
const BIND: &str = "<bind xmlns='urn:xmpp:bind:0'><tag>test</tag>\
    <enable xmlns='urn:xmpp:sm:3' resume='true'/><enable xmlns='urn:xmpp:carbons:2'/></bind>";
const WANTS_TOKEN: &str = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/>";
const FAST: &str = "<fast xmlns='urn:xmpp:fast:0'/>";

fn connect(stage: &Stage) -> Wire {
    let client = tls::client(&stage.server.certificate(), &TLS13, &[]);
    let mut wire = Wire::connect(stage.server.doors.direct_tls, &Arc::clone(&client)).unwrap();
    let features = wire.open().unwrap();
    assert!(features.descend(&["authentication", "inline", "fast"]).is_some(), "{features:?}");
    wire
}

fn user(account: &Account) -> &str {
    account.jid.split('@').next().unwrap()
}

/// One `<authenticate/>` and its answer; `Err` is the condition of the failure.
fn authenticate(
    wire: &mut Wire,
    (mechanism, initial): (&str, &[u8]),
    device: &str,
    inline: &str,
) -> Result<Element, String> {
    let initial = BASE64.encode(initial);
    wire.send(&format!(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{mechanism}'>\
         <initial-response>{initial}</initial-response><user-agent id='{device}'>\
         <software>tests</software><device>a test</device></user-agent>{inline}</authenticate>"
    ))
    .unwrap();
    let answer = wire.answer(|it| ["success", "failure"].contains(&&*it.name)).unwrap();
    match &*answer.name {
        "failure" => Err(answer.children[0].name.clone()),
        _ => Ok(answer),
    }
}

fn by_password(
    wire: &mut Wire,
    account: &Account,
    device: &str,
    inline: &str,
) -> Result<Element, String> {
    let plain = format!("\0{}\0{}", user(account), account.password);
    authenticate(wire, ("PLAIN", plain.as_bytes()), device, inline)
}

/// Logs in by a token that is bound to this TLS session, and checks that the server has it too.
fn by_token(
    wire: &mut Wire,
    account: &Account,
    (device, token): (&str, &str),
    inline: &str,
) -> Result<Element, String> {
    let sign = |who: &str| {
        let said = [who.as_bytes(), &wire.exported_key()].concat();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()), &said).as_ref().to_vec()
    };
    let (initiator, responder) = (sign("Initiator"), sign("Responder"));
    let initial = [user(account).as_bytes(), b"\0", &initiator].concat();
    let inline = format!("{FAST}{inline}");
    let success = authenticate(wire, ("HT-SHA-256-EXPR", &initial), device, &inline)?;
    let proof = &success.child("additional-data").unwrap().text;
    assert_eq!(BASE64.decode(proof.as_bytes()).unwrap(), responder);
    Ok(success)
}

fn token_of(success: &Element) -> String {
    success.child("token").unwrap().attribute("token").unwrap().to_owned()
}

fn jid_of(success: &Element) -> String {
    success.child("authorization-identifier").unwrap().text.clone()
}

#[test]
fn one_exchange_leads_to_a_session_with_all_that_belongs_to_it() {
    scenario(|stage| {
        if stage.prosody_lacks("SASL2") {
            return;
        }
        let (anna, account) = (stage.someone(), stage.server.account());
        let mut wire = connect(stage);
        let success = by_password(&mut wire, &account, DEVICE, BIND).unwrap();
        assert!(success.descend(&["bound", "enabled"]).unwrap().attribute("id").is_some());
        let jid = jid_of(&success);
        assert!(jid.starts_with(&format!("{}/test", account.jid)), "{jid}");
        wire.answer(|it| it.name == "features").unwrap();
        wire.send("<presence/>").unwrap();
        wire.wait_for(|it| it.name == "presence").unwrap();
        anna.send(&account.jid, json!({ "body": "there already?" }));
        let got = wire.wait_for(|it| it.name == "message").unwrap();
        assert_eq!(got.child("body").unwrap().text, "there already?");
        // The same device comes again: its old session ends (XEP-0386, 3.2).
        by_password(&mut connect(stage), &account, DEVICE, BIND).unwrap();
        let end = wire.wait_for(|_| false).unwrap_err();
        assert_ne!(end.kind(), std::io::ErrorKind::TimedOut, "{end}");
    });
}

#[test]
fn a_token_logs_its_device_in_and_resumes_the_stream() {
    scenario(|stage| {
        if stage.prosody_lacks("tokens") {
            return;
        }
        let (anna, account) = (stage.someone(), stage.server.account());
        let mut wire = connect(stage);
        let inline = format!("{BIND}{WANTS_TOKEN}");
        let success = by_password(&mut wire, &account, DEVICE, &inline).unwrap();
        let token = token_of(&success);
        let enabled = success.descend(&["bound", "enabled"]).unwrap();
        let id = enabled.attribute("id").unwrap().to_owned();
        wire.answer(|it| it.name == "features").unwrap();
        wire.send("<presence/>").unwrap();
        wire.wait_for(|it| it.name == "presence").unwrap();
        drop(wire);

        anna.send(&account.jid, json!({ "body": "in the tunnel" }));
        anna.ask("sync", json!({}));
        let mut wire = connect(stage);
        let resume = format!("<resume xmlns='urn:xmpp:sm:3' previd='{id}' h='1'/>{BIND}");
        let success = by_token(&mut wire, &account, (DEVICE, &token), &resume).unwrap();
        assert_eq!(success.child("resumed").unwrap().attribute("previd"), Some(&*id));
        let got = wire.wait_for(|it| it.name == "message").unwrap();
        assert_eq!(got.child("body").unwrap().text, "in the tunnel");
    });
}

#[test]
fn a_token_is_of_use_to_its_device_only() {
    scenario(|stage| {
        if stage.prosody_lacks("tokens") {
            return;
        }
        let account = stage.server.account();
        let mut wire = connect(stage);
        let inline = format!("{BIND}{WANTS_TOKEN}");
        let token = token_of(&by_password(&mut wire, &account, DEVICE, &inline).unwrap());
        for (device, token) in [(OTHER_DEVICE, &*token), (DEVICE, "bm90IGEgdG9rZW4")] {
            let done = by_token(&mut connect(stage), &account, (device, token), BIND);
            assert!(done.is_err(), "{device} {token}: {done:?}");
        }
        by_token(&mut connect(stage), &account, (DEVICE, &token), BIND).unwrap();
    });
}
