//! Clients that mean harm: bombs, floods, crowds. Each is held off, others are served all the while,
//! and memory stays flat.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::house::{House, ask, condition, until};
use crate::wire::Wire;

const HEADER: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' \
    xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";
const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
/// What a server may gain while it is attacked a second time: allocators keep some of what they
/// were given.
const GROWTH_BYTES_MAX: u64 = 6 << 20;
/// Whoever waits longer is not served.
const SERVED_WITHIN: Duration = Duration::from_secs(5);
const CROWD: usize = 1_500;

/// Has another client be answered all the time while something happens twice, and looks that the
/// second time costs no memory.
fn stays_flat(house: &House, jid: &str, happens: impl Fn() + Sync) {
    let mut other = house.log_in(jid);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let asked = Instant::now();
                ask(&mut other, "get", "", PING);
                assert!(asked.elapsed() < SERVED_WITHIN, "{:?}", asked.elapsed());
                thread::sleep(Duration::from_millis(10));
            }
        });
        let attacked = scope.spawn(|| {
            happens();
            let before = house.resident_bytes();
            happens();
            let after = house.resident_bytes();
            println!("{before} bytes, then {after}");
            assert!(after <= before + GROWTH_BYTES_MAX, "{before} bytes became {after}");
        });
        let attacked = attacked.join();
        done.store(true, Ordering::Release);
        served.join().unwrap();
        attacked.unwrap();
    });
    assert_eq!(house.metric("whimbrel_xmpp_panics_total"), 0.0);
}

/// Sends what the server does not take to its end, and gives what it says of it.
fn refused(mut wire: Wire, bomb: &str) -> String {
    // It may be cut while it still sends.
    let _ = wire.send(bomb);
    wire.wait_for(|_| false).unwrap_err().to_string()
}

#[test]
fn xml_bombs_cost_their_sender_the_stream() {
    let mut house = House::start("", "");
    let (anna, bert) = (house.account(), house.account());
    let attributes: String = (0..20_000).map(|number| format!(" a{number}=''")).collect();
    let bombs = [
        ("depth", "<a>".repeat(100_000)),
        ("attributes", format!("<message{attributes}/>")),
        ("entities", "<message><body>&lol9;</body></message>".to_owned()),
        ("a doctype", "<!DOCTYPE a [<!ENTITY a 'aaaaaaaa'>]><message/>".to_owned()),
        ("a comment", "<!-- nothing -->".to_owned()),
        ("children", format!("<message>{}</message>", "<a/>".repeat(60_000))),
        ("no end", format!("<message><body>{}", "a".repeat(8 << 20))),
    ];
    stays_flat(&house, &anna, || {
        for (name, bomb) in &bombs {
            let mut wire = house.connect();
            wire.open().unwrap();
            for wire in [wire, house.log_in(&bert)] {
                let said = refused(wire, bomb);
                // Whoever still sends may miss what was said.
                let is_said = ["policy-violation", "restricted-xml", "not-well-formed"]
                    .iter()
                    .any(|condition| said.contains(condition));
                let is_cut = !said.contains("timed out");
                assert!(is_said || is_cut && bomb.len() > 1 << 16, "{name}: {said}");
            }
        }
    });
}

#[test]
fn streams_that_never_log_in_are_cut() {
    let mut house = House::start("login_timeout_s = 2", "");
    let anna = house.account();
    let (starttls, direct) = (house.process.address("xmpp"), house.process.address("xmpp_tls"));
    let half = |number: usize| {
        let (address, said) = match number % 5 {
            0 => (starttls, ""),
            1 => (starttls, "<?xml version='1.0'?><stream:str"),
            2 => (starttls, HEADER),
            3 => (starttls, STARTTLS),
            _ => (direct, "\x16\x03\x01\x02\x00\x01"),
        };
        let mut socket = TcpStream::connect(address).unwrap();
        if number % 5 == 3 {
            socket.write_all(HEADER.as_bytes()).unwrap();
        }
        socket.write_all(said.as_bytes()).unwrap();
        socket
    };
    stays_flat(&house, &anna, || {
        let crowd: Vec<_> = (0..CROWD).map(half).collect();
        for mut socket in crowd {
            socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
            let ended = socket.read_to_end(&mut Vec::new());
            let is_late = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
            assert!(!is_late, "a client that never logs in is not cut");
        }
        until("all are gone", || house.metric("whimbrel_xmpp_connections") <= 1.0);
    });
}

#[test]
fn dripping_into_a_handshake_does_not_help() {
    let house = House::start("login_timeout_s = 1", "");
    let mut socket = TcpStream::connect(house.process.address("xmpp_tls")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let begun = Instant::now();
    // A record of 512 bytes would take a minute.
    while socket.write_all(b"\0").is_ok() && !matches!(socket.read(&mut [0; 64]), Ok(0)) {
        assert!(begun.elapsed() < Duration::from_secs(20), "a client that drips is not cut");
    }
}

const STARTTLS: &str = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";

#[test]
fn a_roster_bomb_fills_one_roster_and_no_more() {
    let mut house = House::start("", "");
    let (anna, bert) = (house.account(), house.account());
    let mut wire = house.log_in(&bert);
    let (mut taken, mut refused) = (0, 0);
    let mut number = 0;
    while refused < 100 {
        let mut batch = String::new();
        for _ in 0..100 {
            let item = format!("<item jid='c{number}@example.org' name='{number:0>200}'/>");
            let query = format!("<query xmlns='jabber:iq:roster'>{item}</query>");
            batch.push_str(&format!("<iq type='set' id='r{number}'>{query}</iq>"));
            number += 1;
        }
        wire.send(&batch).unwrap();
        for _ in 0..100 {
            let answer = wire.wait_for(|it| it.name == "iq").unwrap();
            match answer.attribute("type") {
                Some("result") => taken += 1,
                _ => {
                    assert_eq!(condition(&answer), "resource-constraint");
                    refused += 1;
                }
            }
        }
        assert!(number < 5_000, "{taken} are taken");
    }
    println!("{taken} contacts are taken");
    let get = "<query xmlns='jabber:iq:roster'/>";
    stays_flat(&house, &anna, || {
        for _ in 0..2 {
            let roster = ask(&mut house.log_in(&bert), "get", "", get);
            assert_eq!(roster.child("query").unwrap().children.len(), taken);
        }
    });
}

#[test]
fn a_flood_of_registrations_sends_no_more_codes_than_the_operator_pays_for() {
    let mut house = House::start("", "[verification]\ncodes_per_hour_max = 20\n");
    let anna = house.account();
    let field =
        |name: &str, value: &str| format!("<field var='{name}'><value>{value}</value></field>");
    stays_flat(&house, &anna, || {
        for stream in 0..40 {
            let mut wire = house.connect();
            wire.open().unwrap();
            for request in 0..10 {
                let number = format!("+493023125{:03}", 100 + stream * 10 + request);
                let fields =
                    [field("username", &number), field("password", "correct horse")].concat();
                let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
                let query = format!("<query xmlns='jabber:iq:register'>{form}</query>");
                let answer = ask(&mut wire, "set", "", &query);
                let condition = condition(&answer);
                assert!(
                    ["not-acceptable", "resource-constraint"].contains(&condition),
                    "{answer:?}"
                );
            }
            let one_more = "<iq type='get' id='x'><query xmlns='jabber:iq:register'/></iq>";
            assert!(refused(wire, one_more).contains("policy-violation"));
        }
    });
    let codes = house.process.log().matches("a code to verify").count();
    assert_eq!(codes, 20);
}

/// An address of this machine that is not loopback, whose limits do not count.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    let own = socket.local_addr().ok()?.ip();
    (!own.is_loopback()).then_some(own)
}

/// A server that also listens there, and where that is.
fn reached_from_outside(xmpp: &str) -> Option<(House, SocketAddr)> {
    let own = own_address();
    if own.is_none() {
        eprintln!("skipped: this machine has no address but loopback");
    }
    let own = own?;
    let house = House::start_on(own, xmpp);
    let address = house.process.address("xmpp_tls");
    Some((house, address))
}

#[test]
fn an_address_has_so_many_connections() {
    let Some((house, address)) = reached_from_outside("connections_per_address_max = 5") else {
        return;
    };
    let connect =
        || Wire::connect(address, house.tls()).and_then(|mut wire| wire.open().map(|_| wire));
    let mut held: Vec<_> = (0..5).map(|_| connect().unwrap()).collect();
    assert!(connect().is_err(), "a sixth is let in");
    assert_eq!(house.metric("whimbrel_xmpp_refused_total"), 1.0);
    held.pop();
    until("there is room again", || connect().is_ok());
}

#[test]
fn who_sends_too_fast_is_read_more_slowly_and_loses_nothing() {
    let limits = "stanzas_per_s_max = 20\nstanzas_burst_max = 20";
    let Some((mut house, address)) = reached_from_outside(limits) else { return };
    let anna = house.account();
    let mut wire = Wire::connect(address, house.tls()).unwrap();
    house.authenticate(&mut wire, &anna);
    ask(&mut wire, "set", "", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>");
    let begun = Instant::now();
    // What one read brings is handled; the next one waits.
    for batch in 0..3 {
        let ids: Vec<String> = (0..40).map(|number| format!("p{batch}-{number}")).collect();
        let ping = |id: &String| format!("<iq type='get' id='{id}'>{PING}</iq>");
        wire.send(&ids.iter().map(ping).collect::<String>()).unwrap();
        for id in ids {
            let answer = wire.answer(|it| it.name == "iq").unwrap();
            assert_eq!(answer.attribute("id"), Some(&*id), "nothing is lost, nothing overtakes");
        }
    }
    // Sixty beyond the burst before the last of them is read, at twenty a second.
    let took = begun.elapsed();
    assert!((2_500..8_000).contains(&took.as_millis()), "{took:?}");
}
