//! The `chat` command against a small XMPP server of the test's own, which errs on purpose.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use data_encoding::BASE64;

/// What the server does with each tenth message.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Drop,
    Repeat,
    /// Delivers it behind the one that follows.
    Delay,
    /// Delivers it in another user's name.
    Forge,
}

struct Router {
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: HashMap<String, TcpStream>,
    routed: usize,
    delayed: Option<(String, String)>,
    /// Users in each room, by its local part.
    rooms: HashMap<String, Vec<String>>,
}

impl Router {
    fn register(&self, local: &str, socket: &TcpStream) {
        let session = socket.try_clone().unwrap();
        self.state.lock().unwrap().sessions.insert(local.to_owned(), session);
    }

    /// XEP-0045 7.2, with the joiner's own presence as the answer.
    fn join(&self, local: &str, to: &str) -> String {
        let room = to.split('@').next().unwrap();
        let mut state = self.state.lock().unwrap();
        state.rooms.entry(room.to_owned()).or_default().push(local.to_owned());
        format!("<presence from='{to}'><x><status code='110'/></x></presence>")
    }

    /// urn:whimbrel:groups:0, with the answer's payload.
    fn create_group(&self, owner: &str, iq: &str) -> String {
        let mut state = self.state.lock().unwrap();
        let room = format!("room{}", state.rooms.len());
        let named = iq.split("<member ").skip(1).map(|member| {
            attribute(&format!("m {member}"), "jid").split('@').next().unwrap().to_owned()
        });
        let members = [owner.to_owned()].into_iter().chain(named).collect();
        let answer = format!("<group jid='{room}@groups.l'/>");
        state.rooms.insert(room, members);
        answer
    }

    fn route(&self, from: &str, message: &str) {
        let mut state = self.state.lock().unwrap();
        state.routed += 1;
        let fault = if state.routed.is_multiple_of(10) { self.fault } else { Fault::None };
        let to = attribute(message, "to").split('@').next().unwrap().to_owned();
        if state.rooms.contains_key(&to) {
            return state.tell_room(fault, from, &to, message);
        }
        let from = if fault == Fault::Forge { "mallory" } else { from };
        let message = message.replacen("<message", &format!("<message from='{from}@l/x'"), 1);
        match fault {
            Fault::Drop => return,
            Fault::Repeat => state.deliver(&to, &message),
            Fault::Delay => {
                state.delayed = Some((to, message));
                return;
            }
            Fault::None | Fault::Forge => {}
        }
        state.deliver(&to, &message);
        // Only one that overtakes on its own way is out of order.
        if state.delayed.as_ref().is_some_and(|(other, _)| *other == to) {
            let (to, message) = state.delayed.take().unwrap();
            state.deliver(&to, &message);
        }
    }
}

impl State {
    /// To all in a room; the last of them bears the fault.
    fn tell_room(&mut self, fault: Fault, from: &str, room: &str, message: &str) {
        let service = attribute(message, "to").split('@').nth(1).unwrap();
        let copy =
            |from: String| message.replacen("<message", &format!("<message from='{from}'"), 1);
        let (usual, forged) =
            (copy(format!("{room}@{service}/{from}")), copy("mallory@l/x".to_owned()));
        let members = self.rooms[room].clone();
        let (last, others) = members.split_last().unwrap();
        others.iter().for_each(|member| self.deliver(member, &usual));
        match fault {
            Fault::Drop | Fault::Delay => return,
            Fault::Repeat => self.deliver(last, &usual),
            Fault::None | Fault::Forge => {}
        }
        self.deliver(last, if fault == Fault::Forge { &forged } else { &usual });
    }

    fn deliver(&mut self, to: &str, message: &str) {
        if let Some(session) = self.sessions.get_mut(to) {
            // A client that has gone is not this test's business.
            let _ = session.write_all(message.as_bytes());
        }
    }
}

fn start_server(fault: Fault, has_sasl2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let router = Arc::new(Router { fault, state: Mutex::default() });
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let router = Arc::clone(&router);
            std::thread::spawn(move || serve(socket.unwrap(), &router, has_sasl2));
        }
    });
    address
}

/// One stream, until it ends.
fn serve(mut socket: TcpStream, router: &Router, has_sasl2: bool) {
    let (mut inbox, mut chunk) = (String::new(), [0; 8192]);
    let (mut local, mut handled, mut is_known) = (String::new(), 0, false);
    loop {
        while let Some(element) = take_element(&mut inbox) {
            let mut out = String::new();
            match name(&element) {
                "stream:stream" => {
                    out += "<?xml version='1.0'?><stream:stream id='1' xmlns='jabber:client'>";
                    out += if is_known { BOUND_FEATURES } else { features(has_sasl2) };
                }
                "auth" => {
                    local = user_of(&decoded(text(&element)));
                    is_known = true;
                    out += "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>";
                }
                "authenticate" => {
                    let Some((user, success)) = authenticate(&element) else { return };
                    local = user;
                    out += &success;
                    out += BOUND_FEATURES;
                }
                "iq" => {
                    let id = attribute(&element, "id");
                    let payload = match element.contains("<create ") {
                        true => router.create_group(&local, &element),
                        false => format!("<jid>{local}@l/x</jid>"),
                    };
                    let _ = write!(out, "<iq type='result' id='{id}'>{payload}</iq>");
                }
                "presence" if element.contains(" to=") => {
                    out += &router.join(&local, attribute(&element, "to"));
                }
                "presence" => router.register(&local, &socket),
                "message" => router.route(&local, &element),
                "enable" => out += "<enabled xmlns='urn:xmpp:sm:3'/>",
                "r" => {
                    let _ = write!(out, "<a xmlns='urn:xmpp:sm:3' h='{handled}'/>");
                }
                "/stream:stream" => {
                    let _ = socket.write_all(b"</stream:stream>");
                    return;
                }
                _ => {}
            }
            handled += usize::from(matches!(name(&element), "iq" | "presence" | "message"));
            if socket.write_all(out.as_bytes()).is_err() {
                return;
            }
        }
        match socket.read(&mut chunk) {
            Ok(bytes) if bytes > 0 => inbox += std::str::from_utf8(&chunk[..bytes]).unwrap(),
            _ => return,
        }
    }
}

/// By password with a token for the next time, or by that token.
fn authenticate(element: &str) -> Option<(String, String)> {
    let shown = decoded(text(&element[element.find("<initial-response").unwrap()..]));
    let (user, proof) = match attribute(element, "mechanism") {
        "PLAIN" => (user_of(&shown), String::new()),
        _ => {
            let end = shown.iter().position(|byte| *byte == 0)?;
            if shown[end + 1..] != *sign(b"Initiator") {
                return None;
            }
            let user = String::from_utf8(shown[..end].to_vec()).unwrap();
            (user, BASE64.encode(&sign(b"Responder")))
        }
    };
    let success = format!(
        "<success xmlns='urn:xmpp:sasl:2'><additional-data>{proof}</additional-data>\
         <authorization-identifier>{user}@l/x</authorization-identifier>\
         <bound xmlns='urn:xmpp:bind:0'/><token xmlns='urn:xmpp:fast:0' token='{TOKEN}'/></success>"
    );
    Some((user, success))
}

fn sign(role: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, TOKEN.as_bytes()), role).as_ref().to_vec()
}

fn features(has_sasl2: bool) -> &'static str {
    if has_sasl2 { SASL2_FEATURES } else { SASL_FEATURES }
}

/// The first element of `inbox`, if it is whole; none of those that clients send holds another of
/// its own name.
fn take_element(inbox: &mut String) -> Option<String> {
    let tag_end = inbox.find('>')? + 1;
    let name = name(inbox).to_owned();
    let is_alone = name.starts_with(['/', '?']) || name == "stream:stream";
    let end = if is_alone || inbox[..tag_end].ends_with("/>") {
        tag_end
    } else {
        let close = format!("</{name}>");
        inbox.find(&close)? + close.len()
    };
    let rest = inbox.split_off(end);
    Some(std::mem::replace(inbox, rest))
}

fn name(element: &str) -> &str {
    let inner = element.trim_start_matches('<');
    let end = inner[1..].find([' ', '>', '/']).map_or(inner.len(), |end| end + 1);
    &inner[..end]
}

fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    let start = element.find(&format!(" {name}='")).unwrap() + name.len() + 3;
    element[start..].split('\'').next().unwrap()
}

fn text(element: &str) -> &str {
    element.split('>').nth(1).unwrap().split('<').next().unwrap()
}

fn decoded(base64: &str) -> Vec<u8> {
    BASE64.decode(base64.as_bytes()).unwrap()
}

/// The user of a PLAIN message.
fn user_of(plain: &[u8]) -> String {
    String::from_utf8(plain.split(|byte| *byte == 0).nth(1).unwrap().to_vec()).unwrap()
}

fn bench(server: SocketAddr, arguments: &[&str]) -> Output {
    let accounts = tempfile::NamedTempFile::new().unwrap();
    let lines: String = (0..8).map(|user| format!("user{user}@l secret\n")).collect();
    std::fs::write(accounts.path(), lines).unwrap();
    Command::new(env!("CARGO_BIN_EXE_whimbrel-bench"))
        .args(["chat", "--server", &server.to_string(), "--domain", "l", "--accounts"])
        .arg(accounts.path())
        .args(["--users", "8", "-d", "300ms", "--warm-up", "100ms"])
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs `chat`, and looks for some words in what it says and for its success.
fn check(fault: Fault, has_sasl2: bool, arguments: &[&str], words: &str, succeeds: bool) {
    let output = bench(start_server(fault, has_sasl2), arguments);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(words), "{words:?} is not in:\n{said}");
    assert_eq!(output.status.success(), succeeds, "{said}");
}

const ALL_WELL: &str = "each received once, in order, from its sender";

#[test]
fn users_talk() {
    check(Fault::None, false, &[], ALL_WELL, true);
    check(Fault::None, false, &["--sm", "--window", "5"], "\nack ", true);
    check(Fault::None, true, &["--sm", "--rate", "500", "--hint", "no-store"], ALL_WELL, true);
}

#[test]
fn what_is_lost_or_wrong_fails_the_run() {
    let open = ["--rate", "500"];
    check(Fault::Drop, false, &open, "missing", false);
    check(Fault::Repeat, false, &open, "double", false);
    check(Fault::Delay, false, &["--window", "8"], "out of order", false);
    check(Fault::Forge, false, &open, "misdirected", false);
    check(Fault::Repeat, false, &["--rate", "500", "--allow-errors"], "double", true);
}

#[test]
fn rooms_talk() {
    let rooms = ["--members", "4", "--rooms"];
    check(Fault::None, true, &rooms, ALL_WELL, true);
    check(Fault::None, false, &[rooms.as_slice(), &["muc"]].concat(), ALL_WELL, true);
    check(Fault::None, false, &rooms, "does not offer Bind 2", false);
}

#[test]
fn what_is_lost_or_wrong_in_a_room_fails_the_run() {
    let rooms = ["--members", "8", "--rooms", "muc"];
    check(Fault::Drop, false, &rooms, "1 missing", false);
    check(Fault::Repeat, false, &rooms, "double", false);
    check(Fault::Forge, false, &rooms, "1 missing, 1 misdirected", false);
}

#[test]
fn logins_by_password_and_by_token() {
    check(Fault::None, false, &["--login-storm"], " 0 failed", true);
    check(Fault::None, true, &["--login-storm", "scram"], " 0 failed", true);
    check(Fault::None, true, &["--login-storm", "fast"], " 0 failed", true);
    check(Fault::None, false, &["--login-storm", "fast"], "does not offer SASL2", false);
}

#[test]
fn arguments_that_do_not_fit() {
    check(Fault::None, false, &["--offline", "0.2"], "needs --sm", false);
    check(Fault::None, false, &["--mechanism", "SCRAM-SHA-1"], "does not offer the SASL", false);
}

const TOKEN: &str = "tide-and-flats";
const SASL_FEATURES: &str = "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>\
    <mechanism>PLAIN</mechanism></mechanisms></stream:features>";
const SASL2_FEATURES: &str = "<stream:features><authentication xmlns='urn:xmpp:sasl:2'>\
    <mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'/>\
    <fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline>\
    </authentication></stream:features>";
const BOUND_FEATURES: &str = "<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>\
    <sm xmlns='urn:xmpp:sm:3'/></stream:features>";
