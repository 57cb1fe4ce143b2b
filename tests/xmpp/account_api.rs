//! Requests to the account API of a server process.

use serde_json::{Value, json};

use crate::house::House;

/// A POST that must succeed, with the bearer if there is one.
pub fn post(house: &House, path: &str, bearer: &str, content: &Value) -> Value {
    let (status, answer) = try_post(house, path, bearer, content);
    assert!((200..300).contains(&status), "{answer}");
    answer
}

/// A POST; its answer's status and content.
pub fn try_post(house: &House, path: &str, bearer: &str, content: &Value) -> (u16, Value) {
    let token = if bearer.is_empty() { String::new() } else { authorization(bearer) };
    let head = format!("POST /api/v1/{path} HTTP/1.1\nContent-Type: application/json{token}");
    let (status, answer) = house.http(&head, content.to_string().as_bytes());
    let content = answer.split_once("\r\n\r\n").unwrap().1;
    (status, serde_json::from_str(content).unwrap_or_else(|_| panic!("{answer}")))
}

pub fn delete(house: &House, path: &str, bearer: &str) {
    let head = format!("DELETE /api/v1/{path} HTTP/1.1{}", authorization(bearer));
    let (status, answer) = house.http(&head, b"");
    assert_eq!(status, 204, "{answer}");
}

/// A header field, behind the head's other lines.
pub fn authorization(token: &str) -> String {
    format!("\nAuthorization: Bearer {token}")
}

/// A new account's bearer and id.
pub fn register(house: &mut House, number: &str) -> (String, String) {
    post(house, "codes", "", &json!({ "number": number }));
    let claim = json!({ "number": number, "code": code(house), "device": { "id": "phone" } });
    let registered = post(house, "registrations", "", &claim);
    let text = |name: &str| registered[name].as_str().unwrap().to_owned();
    (text("bearer"), text("account"))
}

/// The code that the log shows.
fn code(house: &mut House) -> String {
    house.process.wait_for("a code to verify a number");
    let log = house.process.log();
    let line = log.lines().rfind(|line| line.contains("a code to verify a number")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    line["code"].as_str().unwrap().to_owned()
}
