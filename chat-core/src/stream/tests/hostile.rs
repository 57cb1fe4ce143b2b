//! Garbage, stanzas without a login, what is out of turn, and what takes too long.

use proptest::prelude::*;

use super::*;
use crate::stream::{StartTls, StreamError, StreamErrorCondition};

/// What ends an opened stream.
#[track_caller]
fn check_end(said: &str, condition: &str) {
    let mut dialogue = Dialogue::new(Setup::new());
    dialogue.open();
    dialogue.say(said);
    assert_eq!(dialogue.last_heard(), format!("- closes: {condition}"), "{said}");
    // What comes behind the end is nobody's business any more.
    dialogue.say("<message/>");
    dialogue.expect_silence();
}

#[test]
fn what_needs_a_login() {
    check_end("<message to='bob@example.org'/>", "not-authorized");
    check_end("<iq type='get' id='1'><query xmlns='jabber:iq:auth'/></iq>", "not-authorized");
    check_end("<enable xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type");
    check_end("<response xmlns='urn:xmpp:sasl:2'/>", "unsupported-stanza-type");
}

#[test]
fn what_is_not_xml() {
    check_end("<message><body></message></message>", "not-well-formed");
    check_end("<!DOCTYPE a>", "restricted-xml");
    check_end("<a:b/>", "bad-namespace-prefix");
    check_end("\u{0}", "not-well-formed");
}

#[test]
fn what_is_too_much() {
    check_end(&"<x>".repeat(13), "policy-violation");
    check_end(&format!("<auth>{}", "A".repeat(10 * 1024)), "policy-violation");
    check_end(&format!("<auth>{}</auth>", "<a/>".repeat(65)), "policy-violation");
}

#[test]
fn nothing_else_during_an_exchange() {
    let violation = "S: <stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>an exchange is under way</text></stream:error>
         S: </stream:stream>
         - closes: policy-violation";
    for other in [
        "<message/>",
        "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>",
        "<next xmlns='urn:xmpp:sasl:2' task='x'/>",
    ] {
        let mut dialogue = Dialogue::new(Setup::new());
        dialogue.open();
        dialogue.play_all(&format!(
            "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>{{first}}</initial-response></authenticate>
             - looks up +15550100123
             S: <challenge xmlns='urn:xmpp:sasl:2'>{{challenge}}</challenge>
             C: {other}
             {violation}"
        ));
    }
}

#[test]
fn a_silent_client_is_let_go() {
    check(
        Setup::new(),
        "* wait 59999
         * wait 1
         S: {header}
         S: <stream:error><connection-timeout xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>the login took too long</text></stream:error>
         S: </stream:stream>
         - closes: connection-timeout",
    );
}

/// The core ends a stream, and says why in words of its own.
#[test]
fn an_error_with_an_application_condition() {
    let error = || StreamError {
        condition: StreamErrorCondition::UndefinedCondition,
        text: None,
        application: Some("<too-many xmlns='urn:example' limit='2'/>".into()),
    };
    let mut dialogue = Dialogue::new(Setup::new());
    dialogue.open();
    dialogue.close(Some(error()));
    dialogue.play_all(
        "S: <stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><too-many xmlns='urn:example' limit='2'/></stream:error>
         S: </stream:stream>
         - closes: undefined-condition",
    );
    let mut dialogue = Dialogue::new(Setup::websocket());
    dialogue.open();
    dialogue.close(None);
    dialogue.play_all("S: <close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>\n- closes");
    dialogue.close(Some(error()));
    dialogue.expect_silence();
}

/// Nothing can be said in the clear once the handshake is under way.
#[test]
fn a_handshake_that_never_ends() {
    let mut dialogue = Dialogue::new(Setup::tcp(StartTls::Required));
    dialogue.open();
    dialogue.play_all(
        "C: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         S: <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         - starts TLS
         * wait 60000
         - closes: connection-timeout",
    );
}

proptest! {
    /// Whatever is said, the stream neither stops the server nor lets anybody in, and it falls
    /// silent once it is closed.
    #[test]
    fn garbage(
        said in prop::collection::vec(
            prop_oneof![
                Just("{open}".to_owned()),
                Just("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>".to_owned()),
                Just("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>".to_owned()),
                Just("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-1'/>".to_owned()),
                Just("<response xmlns='urn:xmpp:sasl:2'>YQ==</response>".to_owned()),
                Just("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>".to_owned()),
                Just("</stream:stream>".to_owned()),
                "[ -~]{0,30}",
                "<[a-z]{1,9}( [a-z]{1,9}='[a-z:]{0,9}')?/?>",
            ],
            0..12,
        ),
        is_websocket in any::<bool>(),
    ) {
        let setup = if is_websocket { Setup::websocket() } else { Setup::tcp(StartTls::Optional) };
        let mut dialogue = Dialogue::new(setup);
        for said in said {
            dialogue.say_filled(&said);
            while let Some(heard) = dialogue.try_hear() {
                prop_assert!(!heard.starts_with("- logs in"));
                if heard.starts_with("- closes") {
                    dialogue.expect_silence();
                }
            }
        }
    }
}
