//! RFC 6120 4 and 5: headers, hosts, versions, STARTTLS.

use super::*;
use crate::stream::StartTls;

#[test]
fn direct_tls_offers_all_at_once() {
    check(
        Setup::new(),
        "C: {open}
         S: {header}
         S: <stream:features><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/><channel-binding type='tls-server-end-point'/></sasl-channel-binding><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>
         C: </stream:stream>
         S: </stream:stream>
         - closes",
    );
}

#[test]
fn starttls_comes_first_where_it_must() {
    check(
        Setup::tcp(StartTls::Required),
        "C: {open}
         S: {header}
         S: <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>
         C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         - refuses somebody: encryption-required
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><encryption-required/></failure>
         C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'/>
         - refuses somebody: encryption-required
         S: <failure xmlns='urn:xmpp:sasl:2'><encryption-required xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>
         C: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         S: <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         - starts TLS",
    );
}

/// What stands behind `<starttls/>` could come from anybody on the way.
#[test]
fn what_is_said_before_the_handshake_is_forgotten() {
    check(
        Setup::tcp(StartTls::Required).bound(),
        "C: {open}
         S: {header}
         S: <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>
         C: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{open}<message/>
         S: <proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         - starts TLS
         * handshake
         C: {open}
         S: {header}
         S: <stream:features><sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'><channel-binding type='tls-exporter'/><channel-binding type='tls-server-end-point'/></sasl-channel-binding><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism></mechanisms></stream:features>
         C: <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>
         S: </stream:stream>
         - closes",
    );
}

#[test]
fn plaintext_where_it_is_allowed() {
    check(
        Setup::tcp(StartTls::Optional),
        "C: {open}
         S: {header}
         S: <stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><authentication xmlns='urn:xmpp:sasl:2'><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism><inline><bind xmlns='urn:xmpp:bind:0'><inline><feature var='urn:xmpp:carbons:2'/><feature var='urn:xmpp:csi:0'/><feature var='urn:xmpp:sm:3'/></inline></bind><sm xmlns='urn:xmpp:sm:3'/><fast xmlns='urn:xmpp:fast:0'><mechanism>HT-SHA-256-NONE</mechanism></fast></inline></authentication><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>
         C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>
         - refuses somebody: invalid-mechanism
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-mechanism/></failure>",
    );
}

/// A header that ends the stream: RFC 6120 4.9.1.2 wants the server's own before the error.
#[track_caller]
fn check_header(attributes: &str, condition: &str) {
    let to = if attributes.contains("from='alice@example.org'") {
        "from='example.org' to='alice@example.org'"
    } else {
        "from='example.org'"
    };
    let streams = "xmlns:stream='http://etherx.jabber.org/streams'";
    let script = format!(
        "C: <stream:stream {streams} {attributes}>
         S: <?xml version='1.0'?><stream:stream xmlns='jabber:client' {streams} {to} id='ID' version='1.0' xml:lang='en'>
         S: <stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>
         S: </stream:stream>
         - closes: {condition}"
    );
    check(Setup::new(), &script);
}

#[test]
fn wrong_headers() {
    let client = "xmlns='jabber:client'";
    check_header(&format!("{client} to='example.com' version='1.0'"), "host-unknown");
    check_header(&format!("{client} to='alice@example.org' version='1.0'"), "host-unknown");
    check_header(&format!("{client} to='@' version='1.0'"), "host-unknown");
    check_header(&format!("{client} version='1.0'"), "host-unknown");
    check_header(&format!("{client} to='example.org'"), "unsupported-version");
    check_header(&format!("{client} to='example.org' version='0.9'"), "unsupported-version");
    check_header(&format!("{client} to='example.org' version='one'"), "unsupported-version");
    check_header("xmlns='jabber:server' to='example.org' version='1.0'", "invalid-namespace");
    check_header("to='example.org' version='1.0'", "invalid-namespace");
    let from = "from='alice@example.com'";
    check_header(&format!("{client} to='example.org' version='1.0' {from}"), "invalid-from");
}

#[test]
fn a_host_is_known_in_any_case_and_from_is_answered() {
    let mut dialogue = Dialogue::new(Setup::new());
    dialogue.say(
        "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' \
         to='Example.ORG' from='alice@example.org' version='1.10'>",
    );
    let header = dialogue.hear();
    assert!(header.contains(" to='alice@example.org' "), "{header}");
    assert!(dialogue.hear().contains("<mechanisms "));
}
