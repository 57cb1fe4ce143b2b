//! What operators decide in the configuration, as clients see it.

use std::fs;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use data_encoding::BASE64;

use crate::house::{House, ask, condition};
use crate::wire::Wire;
use crate::xml::Element;

#[test]
fn turn_servers_are_announced_with_credentials_that_end() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("turn.secret"), "north\n").unwrap();
    let services = "[[xmpp.external_service]]\ntype = 'turn'\nhost = 'turn.example.org'\n\
        transport = 'tcp'\nsecret_file = 'turn.secret'\n\
        [[xmpp.external_service]]\ntype = 'stun'\nhost = '192.0.2.7'\nport = 3479\n";
    let mut house = House::start_in(folder, "", services);
    let anna = house.account();
    let mut wire = house.log_in(&anna);
    let info = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let info = ask(&mut wire, "get", "localhost", info);
    let features = info.child("query").unwrap().children.iter();
    let mut names = features.filter_map(|feature| feature.attribute("var"));
    assert!(names.any(|name| name == "urn:xmpp:extdisco:2"), "{info:?}");
    let all = "<services xmlns='urn:xmpp:extdisco:2'/>";
    let all = ask(&mut wire, "get", "localhost", all);
    let all = &all.child("services").unwrap().children;
    let shown = |of: &Element| {
        let of = |name: &str| of.attribute(name).unwrap_or_default().to_owned();
        [of("type"), of("host"), of("port"), of("transport")]
    };
    assert_eq!(shown(&all[0]), ["turn", "turn.example.org", "3478", "tcp"]);
    assert_eq!(shown(&all[1]), ["stun", "192.0.2.7", "3479", "udp"]);
    // coturn's use-auth-secret.
    let (username, password) = (all[0].attribute("username"), all[0].attribute("password"));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"north");
    let expected = hmac::sign(&key, username.unwrap().as_bytes());
    assert_eq!(password, Some(&*BASE64.encode(expected.as_ref())));
    assert!(all[0].attribute("expires").is_some());
    assert_eq!((all[1].attribute("username"), all[1].attribute("password")), (None, None));
}

#[test]
fn messages_are_retracted_as_long_as_the_operator_allows() {
    let mut house = House::start("retraction_within_s = 2", "");
    let (anna, bert) = (house.account(), house.account());
    let mut wire = house.log_in(&anna);
    let say = |wire: &mut Wire, id: &str, what: &str| {
        let origin = format!("<origin-id xmlns='urn:xmpp:sid:0' id='{id}'/>");
        let message =
            format!("<message to='{bert}' type='chat' id='{id}'>{what}{origin}</message>");
        wire.send(&message).unwrap();
        ask(wire, "get", "", "<ping xmlns='urn:xmpp:ping'/>");
    };
    let retract = |id: &str| format!("<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>");
    say(&mut wire, "old", "<body>regrettable</body>");
    std::thread::sleep(Duration::from_millis(2_500));
    say(&mut wire, "r1", &retract("old"));
    say(&mut wire, "new", "<body>mistaken</body>");
    say(&mut wire, "r2", &retract("new"));
    let archive = "<query xmlns='urn:xmpp:mam:2'/>";
    wire.send(&format!("<iq type='set' id='page'>{archive}</iq>")).unwrap();
    let (mut bodies, mut tombstones) = (Vec::new(), Vec::new());
    loop {
        let next = wire.wait_for(|_| true).unwrap();
        if next.name == "iq" {
            break;
        }
        let message = next.descend(&["result", "forwarded", "message"]).unwrap();
        bodies.extend(message.child("body").map(|body| body.text.clone()));
        let id = message.attribute("id").unwrap().to_owned();
        tombstones.extend(message.child("retracted").map(|_| id));
    }
    assert_eq!((bodies, tombstones), (vec!["regrettable".to_owned()], vec!["new".to_owned()]));
}

#[test]
fn where_registration_is_closed_only_the_operator_adds_accounts() {
    let mut house = House::start("", "[verification]\nregistration = 'closed'\n");
    let mut wire = house.connect();
    let features = wire.open().unwrap();
    assert!(features.child("register").is_none(), "{features:?}");
    for kind in ["get", "set"] {
        let refused = ask(&mut wire, kind, "", "<query xmlns='jabber:iq:register'/>");
        assert_eq!(condition(&refused), "service-unavailable");
        let told = &refused.descend(&["error", "text"]).unwrap().text;
        assert_eq!(told, "This server takes no registrations.");
    }
    let head = "POST /api/v1/codes HTTP/1.1\nContent-Type: application/json";
    let (status, answer) = house.http(head, b"{\"number\": \"+493023125999\"}");
    assert_eq!(status, 403, "{answer}");
    assert!(answer.contains("urn:whimbrel:problem:registration-closed"), "{answer}");
    assert!(!house.process.log().contains("a code to verify"), "no code is sent");
    let anna = house.account();
    house.come_online(&anna);
}

#[test]
fn a_slot_is_refused_where_the_quota_is_used_up() {
    let mut house = House::start("", "[media]\nquota_bytes_max = 1000\n");
    let anna = house.account();
    let mut wire = house.log_in(&anna);
    let slot = |wire: &mut Wire, len: usize| {
        let request =
            format!("<request xmlns='urn:xmpp:http:upload:0' filename='a.bin' size='{len}'/>");
        ask(wire, "get", "localhost", &request)
    };
    let granted = slot(&mut wire, 600);
    let put = granted.descend(&["slot", "put"]).and_then(|put| put.attribute("url"));
    let put = put.unwrap_or_else(|| panic!("{granted:?}"));
    let path = &put[put.find("/upload/").unwrap()..];
    let (status, answer) = house.http(&format!("PUT {path} HTTP/1.1"), &[7; 600]);
    assert_eq!(status, 201, "{answer}");
    let refused = slot(&mut wire, 600);
    assert_eq!(condition(&refused), "resource-constraint");
    assert_eq!(refused.child("error").unwrap().attribute("type"), Some("wait"));
    assert!(slot(&mut wire, 400).child("slot").is_some());
}

#[test]
fn who_does_not_log_in_in_time_is_cut() {
    let house = House::start("login_timeout_s = 1", "");
    let begun = Instant::now();
    let mut wire = house.connect();
    wire.open().unwrap();
    let ended = wire.wait_for(|_| false).unwrap_err();
    assert!(ended.to_string().contains("connection-timeout"), "{ended}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
