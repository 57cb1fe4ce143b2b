//! What clients are told when what opened their account is taken away.

use serde_json::{Value, json};

use crate::house::House;

fn post(house: &House, path: &str, bearer: &str, content: &Value) -> Value {
    let token = if bearer.is_empty() { String::new() } else { authorization(bearer) };
    let head = format!("POST /api/v1/{path} HTTP/1.1\nContent-Type: application/json{token}");
    let (status, answer) = house.http(&head, content.to_string().as_bytes());
    assert!((200..300).contains(&status), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn delete(house: &House, path: &str, bearer: &str) {
    let head = format!("DELETE /api/v1/{path} HTTP/1.1{}", authorization(bearer));
    let (status, answer) = house.http(&head, b"");
    assert_eq!(status, 204, "{answer}");
}

fn authorization(bearer: &str) -> String {
    format!("\nAuthorization: Bearer {bearer}")
}

/// The code that the log shows.
fn code(house: &mut House) -> String {
    house.process.wait_for("a code to verify a number");
    let log = house.process.log();
    let line = log.lines().rfind(|line| line.contains("a code to verify a number")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    line["code"].as_str().unwrap().to_owned()
}

#[test]
fn who_is_logged_out_is_told_why() {
    let mut house = House::start("", "");
    let number = "+493023125555";
    post(&house, "codes", "", &json!({ "number": number }));
    let claim = json!({ "number": number, "code": code(&mut house), "device": { "id": "phone" } });
    let registered = post(&house, "registrations", "", &claim);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (bearer, account) = (text(&registered["bearer"]), text(&registered["account"]));
    let logged_in = || {
        let made = post(&house, "app-passwords", &bearer, &json!({ "name": "Dino" }));
        let mut wire = house.connect();
        wire.log_in(&account, made["password"].as_str().unwrap()).unwrap();
        wire.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
            .unwrap();
        wire.wait_for(|it| it.name == "iq").unwrap();
        (wire, text(&made["id"]))
    };
    let (mut wire, id) = logged_in();
    delete(&house, &format!("app-passwords/{id}"), &bearer);
    let ended = wire.wait_for(|_| false).unwrap_err().to_string();
    assert!(ended.contains("\"reset\""), "{ended}");
    let (mut wire, _) = logged_in();
    delete(&house, "account", &bearer);
    let ended = wire.wait_for(|_| false).unwrap_err().to_string();
    assert!(ended.contains("\"not-authorized\""), "{ended}");
}
