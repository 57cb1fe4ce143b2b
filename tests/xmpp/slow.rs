//! Clients that do not read: what waits for them has a limit, others go on, and nothing is lost.

use std::thread;
use std::time::{Duration, Instant};

use crate::house::{House, ask, until};
use crate::wire::Wire;

const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
const SM: &str = "urn:xmpp:sm:3";
/// More than sockets buffer by far: 24 MiB.
const MESSAGES: usize = 400;
const BODY_BYTES: usize = 60 << 10;
/// What waits for one client, what waits for the disk, and what allocators keep.
const GROWTH_BYTES_MAX: u64 = 32 << 20;
const SERVED_WITHIN: Duration = Duration::from_secs(5);

fn message(to: &str, number: usize) -> String {
    let filling = "x".repeat(BODY_BYTES);
    format!(
        "<message to='{to}' type='chat' id='m{number}'><body>{number} {filling}</body></message>"
    )
}

/// Who does not read gets the messages while two others talk to the server.
fn flood(house: &House, to: &str, from: &str, other: &str) {
    let before = house.resident_bytes();
    let mut other = house.log_in(other);
    thread::scope(|scope| {
        let sent = scope.spawn(|| {
            let mut wire = house.log_in(from);
            for number in 0..MESSAGES {
                wire.send(&message(to, number)).unwrap();
                if number % 20 == 19 {
                    ask(&mut wire, "get", "", PING);
                }
            }
            ask(&mut wire, "get", "", PING);
        });
        while !sent.is_finished() {
            let asked = Instant::now();
            ask(&mut other, "get", "", PING);
            assert!(asked.elapsed() < SERVED_WITHIN, "{:?}", asked.elapsed());
            let now = house.resident_bytes();
            assert!(now < before + GROWTH_BYTES_MAX, "{before} bytes became {now}");
            thread::sleep(Duration::from_millis(20));
        }
        sent.join().unwrap();
    });
}

#[test]
fn who_does_not_read_is_cut_and_finds_all_in_the_archive() {
    let mut house = House::start("", "");
    let (anna, bert, carla) = (house.account(), house.account(), house.account());
    let mut unread = house.come_online(&anna);
    flood(&house, &anna, &bert, &carla);
    until("it is cut", || house.metric("whimbrel_xmpp_cut_total") >= 1.0);
    // What lay in the buffers still comes; then it is over.
    let mut came = 0;
    while unread.wait_for(|it| it.name == "message").is_ok() {
        came += 1;
    }
    assert!(came < MESSAGES, "all of it lay in buffers");
    let mut wire = house.log_in(&anna);
    let (mut after, mut found) = (String::new(), Vec::new());
    loop {
        let page = format!("<max>50</max>{after}");
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{page}</set>");
        let query = format!("<query xmlns='urn:xmpp:mam:2'>{set}</query>");
        wire.send(&format!("<iq type='set' id='page'>{query}</iq>")).unwrap();
        let end = loop {
            let next = wire.wait_for(|_| true).unwrap();
            if next.name == "iq" {
                break next;
            }
            let message = next.descend(&["result", "forwarded", "message"]);
            found.push(message.unwrap().attribute("id").unwrap().to_owned());
        };
        match end.descend(&["fin", "set", "last"]) {
            Some(last) => after = format!("<after>{}</after>", last.text),
            None => break,
        }
    }
    assert_eq!(found, (0..MESSAGES).map(|number| format!("m{number}")).collect::<Vec<_>>());
}

#[test]
fn who_does_not_read_resumes_and_misses_nothing() {
    let mut house = House::start("", "");
    let (anna, bert, carla) = (house.account(), house.account(), house.account());
    let mut unread = house.log_in(&anna);
    unread.send(&format!("<enable xmlns='{SM}' resume='true'/>")).unwrap();
    let enabled = unread.answer(|it| it.name == "enabled").unwrap();
    let id = enabled.attribute("id").unwrap().to_owned();
    unread.send("<presence/>").unwrap();
    unread.wait_for(|it| it.name == "presence").unwrap();
    flood(&house, &anna, &bert, &carla);
    drop(unread);

    let mut wire = house.connect();
    house.authenticate(&mut wire, &anna);
    wire.send(&format!("<resume xmlns='{SM}' h='1' previd='{id}'/>")).unwrap();
    wire.answer(|it| it.name == "resumed").unwrap();
    let (mut handled, mut got) = (1, Vec::new());
    while got.len() < MESSAGES {
        let next = wire.wait_for(|_| true).unwrap();
        match &*next.name {
            "r" => acknowledge(&mut wire, handled),
            "a" => {}
            _ => {
                handled += 1;
                got.extend(next.attribute("id").map(str::to_owned));
            }
        }
    }
    acknowledge(&mut wire, handled);
    assert_eq!(got, (0..MESSAGES).map(|number| format!("m{number}")).collect::<Vec<_>>());
    // Nothing comes twice.
    assert_eq!(ask(&mut wire, "get", "", PING).attribute("type"), Some("result"));
}

fn acknowledge(wire: &mut Wire, handled: u32) {
    wire.send(&format!("<a xmlns='{SM}' h='{handled}'/>")).unwrap();
}
