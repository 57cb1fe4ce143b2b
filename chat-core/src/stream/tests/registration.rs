//! XEP-0077 before login: passed on, and answered.

use super::*;
use crate::stream::StartTls;

fn open_to_all(mut setup: Setup) -> Setup {
    setup.config.registration = true;
    setup
}

#[test]
fn requests_are_passed_on() {
    let mut dialogue = Dialogue::new(open_to_all(Setup::new()));
    assert!(dialogue.open().contains("<register xmlns='http://jabber.org/features/iq-register'/>"));
    dialogue.play_all(
        "C: <iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>
         - registers <iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>
         * registered <iq type='result' id='r1'/>
         S: <iq type='result' id='r1'/>
         * wait 599999
         * wait 1
         S: <stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>the login took too long</text></stream:error>
         S: </stream:stream>
         - closes: connection-timeout",
    );
}

#[test]
fn on_websocket_the_answer_declares_its_namespace() {
    let mut dialogue = Dialogue::new(open_to_all(Setup::websocket()));
    dialogue.open();
    dialogue.play_all(
        "C: <iq xmlns='jabber:client' type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>
         - registers <iq xmlns='jabber:client' type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>
         * registered <iq type='result' id='r1'/>
         S: <iq xmlns='jabber:client' type='result' id='r1'/>",
    );
}

const NOT_AUTHORIZED: &str =
    "S: <stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
     S: </stream:stream>
     - closes: not-authorized";

#[test]
fn not_in_the_clear() {
    let mut dialogue = Dialogue::new(open_to_all(Setup::tcp(StartTls::Required)));
    assert!(!dialogue.open().contains("<register "));
    let request = "C: <iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>";
    dialogue.play_all(&format!("{request}\n{NOT_AUTHORIZED}"));
}

#[test]
fn who_asks_where_it_is_closed_is_told() {
    let mut dialogue = Dialogue::new(Setup::new());
    assert!(!dialogue.open().contains("<register "));
    for kind in ["get", "set"] {
        dialogue.play_all(&format!(
            "C: <iq type='{kind}' id='r1'><query xmlns='jabber:iq:register'/></iq>
             S: <iq type='error' id='r1'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>This server takes no registrations.</text></error></iq>"
        ));
    }
}

#[test]
fn not_without_end() {
    let mut dialogue = Dialogue::new(open_to_all(Setup::new()));
    dialogue.open();
    let request = "<iq type='get' id='r1'><query xmlns='jabber:iq:register'/></iq>";
    for _ in 0..10 {
        dialogue.play_all(&format!(
            "C: {request}
             - registers {request}
             * registered <iq type='result' id='r1'/>
             S: <iq type='result' id='r1'/>"
        ));
    }
    dialogue.play_all(&format!(
        "C: {request}
         S: <stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>too many requests about registration</text></stream:error>
         S: </stream:stream>
         - closes: policy-violation"
    ));
}
