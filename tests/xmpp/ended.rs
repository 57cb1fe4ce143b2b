//! What clients are told when what opened their account is taken away.

use serde_json::json;

use crate::account_api::{delete, post, register};
use crate::house::House;

#[test]
fn who_is_logged_out_is_told_why() {
    let mut house = House::start("", "");
    let (bearer, account) = register(&mut house, "+493023125555");
    let logged_in = || {
        let made = post(&house, "app-passwords", &bearer, &json!({ "name": "Dino" }));
        let mut wire = house.connect();
        wire.log_in(&account, made["password"].as_str().unwrap()).unwrap();
        wire.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
            .unwrap();
        wire.wait_for(|it| it.name == "iq").unwrap();
        (wire, made["id"].as_str().unwrap().to_owned())
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
