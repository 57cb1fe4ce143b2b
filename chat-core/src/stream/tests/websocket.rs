//! RFC 7395: each message is a document of its own.

use super::sasl2::bound;
use super::*;

const OPEN: &str =
    "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
const HEADER: &str = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' from='example.org' id='ID' version='1.0' xml:lang='en'/>";
const FEATURES: &str = "<stream:features xmlns:stream='http://etherx.jabber.org/streams'><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>";

#[test]
fn sasl2() {
    check(
        Setup::websocket().with_ready(bound()),
        &format!(
            "C: {OPEN}
             S: {HEADER}
             S: {FEATURES}
             C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{{plain}}</initial-response><bind xmlns='urn:xmpp:bind:0'/></authenticate>
             - looks up +15550100123
             - checks a password
             - logs in by PLAIN with password 0; binds -
             S: <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>k7qm2xw4p9ab@example.org/Wren~1</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm1'/></bound></success>
             S: <stream:features xmlns:stream='http://etherx.jabber.org/streams'><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
             - established
             C: <presence xmlns='jabber:client'/>
             - element <presence xmlns='jabber:client'/>
             C: <close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>
             S: <close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>
             - closes"
        ),
    );
}

#[test]
fn sasl1_opens_anew() {
    check(
        Setup::websocket(),
        &format!(
            "C: {OPEN}
             S: {HEADER}
             S: {FEATURES}
             C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{{plain}}</auth>
             - looks up +15550100123
             - checks a password
             - logs in by PLAIN with password 0; legacy
             S: <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
             - restarts
             C: {OPEN}
             S: {HEADER}
             S: <stream:features xmlns:stream='http://etherx.jabber.org/streams'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
             - established"
        ),
    );
}

#[test]
fn errors_declare_their_prefix() {
    check(
        Setup::websocket(),
        &format!(
            "C: <open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.com' version='1.0'/>
             S: {HEADER}
             S: <stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
             S: <close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>
             - closes: host-unknown"
        ),
    );
}

#[test]
fn what_is_not_one_document() {
    #[track_caller]
    fn check_message(message: &str, condition: &str) {
        let mut dialogue = Dialogue::new(Setup::websocket());
        dialogue.say(message);
        assert_eq!(dialogue.last_heard(), format!("- closes: {condition}"), "{message}");
    }
    check_message("", "not-well-formed");
    check_message("<open", "not-well-formed");
    check_message("<presence/><presence/>", "not-well-formed");
    check_message("<?xml version='1.0'?><open/>", "restricted-xml");
    check_message("<message xmlns='jabber:client'/>", "bad-format");
    let open_twice =
        "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='example.org' version='1.0'/>";
    let mut dialogue = Dialogue::new(Setup::websocket());
    dialogue.say(open_twice);
    dialogue.say(open_twice);
    assert_eq!(dialogue.last_heard(), "- closes: policy-violation");
}
