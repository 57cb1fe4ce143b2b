//! XEP-0388 with XEP-0386 and XEP-0198 inside.

use super::*;
use crate::jid::Jid;
use crate::ns;
use crate::stream::Ready;
use crate::xml::Element;

#[track_caller]
fn check_open(setup: Setup, script: &str) {
    let mut dialogue = Dialogue::new(setup);
    dialogue.open();
    dialogue.play_all(script);
}

/// What the core says of a session that it bound.
pub fn bound() -> Ready {
    let enabled = Element::new("enabled", ns::STREAM_MANAGEMENT).with_attr("id", "sm1");
    Ready {
        jid: Some(Jid::parse("k7qm2xw4p9ab@example.org/Wren~1").unwrap()),
        children: vec![Element::new("bound", ns::BIND2).with_child(enabled)],
        token: None,
    }
}

#[test]
fn one_exchange_from_the_password_to_the_session() {
    check_open(
        Setup::new().bound().with_ready(bound()),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256-PLUS'><initial-response>{first}</initial-response><user-agent id='D4565FA7-4d72-4749-b3d3-740edbf87770'><software>Wren</software><device>Phone of Alice</device></user-agent><bind xmlns='urn:xmpp:bind:0'><tag>Wren</tag><enable xmlns='urn:xmpp:sm:3' resume='true'/><enable xmlns='urn:xmpp:carbons:2'/><inactive xmlns='urn:xmpp:csi:0'/></bind></authenticate>
         - looks up +15550100123 on d4565fa7-4d72-4749-b3d3-740edbf87770
         S: <challenge xmlns='urn:xmpp:sasl:2'>{challenge}</challenge>
         C: <response xmlns='urn:xmpp:sasl:2'>{last}</response>
         - logs in by SCRAM-SHA-256-PLUS with password 0; agent d4565fa7-4d72-4749-b3d3-740edbf87770 Wren Phone of Alice; binds Wren sm+resume carbons inactive
         S: <success xmlns='urn:xmpp:sasl:2'><additional-data>{verifier}</additional-data><authorization-identifier>k7qm2xw4p9ab@example.org/Wren~1</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm1'/></bound></success>
         S: <stream:features><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established
         C: <presence/>
         - element <presence/>",
    );
}

#[test]
fn without_bind_the_client_binds_later() {
    check_open(
        Setup::new(),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response></authenticate>
         - looks up +15550100123
         - checks a password
         - logs in by PLAIN with password 0
         S: <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>k7qm2xw4p9ab@example.org</authorization-identifier></success>
         S: <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established",
    );
}

const RESUME: &str = "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response><resume xmlns='urn:xmpp:sm:3' previd='sm1' h='345'/><bind xmlns='urn:xmpp:bind:0'/></authenticate>
         - looks up +15550100123
         - checks a password
         - logs in by PLAIN with password 0; resumes sm1 345; binds -";

#[test]
fn a_resumed_session_gets_no_features() {
    let resumed = Element::new("resumed", ns::STREAM_MANAGEMENT).with_attr("h", "7");
    let ready = Ready { children: vec![resumed.with_attr("previd", "sm1")], ..bound() };
    check_open(
        Setup::new().with_ready(ready),
        &format!(
            "{RESUME}
             S: <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>k7qm2xw4p9ab@example.org/Wren~1</authorization-identifier><resumed xmlns='urn:xmpp:sm:3' h='7' previd='sm1'/></success>
             - established"
        ),
    );
}

#[test]
fn a_failed_resumption_binds() {
    let failed = Element::new("failed", ns::STREAM_MANAGEMENT).with_attr("h", "7");
    let mut ready = bound();
    ready.children.insert(0, failed);
    check_open(
        Setup::new().with_ready(ready),
        &format!(
            "{RESUME}
             S: <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>k7qm2xw4p9ab@example.org/Wren~1</authorization-identifier><failed xmlns='urn:xmpp:sm:3' h='7'/><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm1'/></bound></success>
             S: <stream:features><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
             - established"
        ),
    );
}

#[test]
fn failures_name_their_condition_in_the_namespace_of_rfc_6120() {
    let mut setup = Setup::new();
    setup.client.password = "Pencil".into();
    check_open(
        setup,
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response></authenticate>
         - looks up +15550100123
         - checks a password
         - refuses +15550100123: not-authorized
         * wait 500
         S: <failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>
         C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response><resume xmlns='urn:xmpp:sm:3'/></authenticate>
         - refuses somebody: malformed-request: <resume/> lacks previd or h
         S: <failure xmlns='urn:xmpp:sasl:2'><malformed-request xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><text>&lt;resume/&gt; lacks previd or h</text></failure>",
    );
}

#[test]
fn abort_and_another_mechanism() {
    check_open(
        Setup::new(),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response></authenticate>
         - looks up +15550100123
         S: <challenge xmlns='urn:xmpp:sasl:2'>{challenge}</challenge>
         C: <abort xmlns='urn:xmpp:sasl:2'><text>changed my mind</text></abort>
         - refuses +15550100123: aborted
         S: <failure xmlns='urn:xmpp:sasl:2'><aborted xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>
         C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response></authenticate>
         - looks up +15550100123
         - checks a password
         - logs in by PLAIN with password 0
         S: <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>k7qm2xw4p9ab@example.org</authorization-identifier></success>
         S: <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established",
    );
}

/// XEP-0388 2.3: the header's `from` and the authorization identity must agree.
#[test]
fn from_and_authzid_disagree() {
    let mut setup = Setup::new();
    setup.client.gs2_header = "n,a=bob@example.org,".into();
    let mut dialogue = Dialogue::new(setup);
    dialogue.open_as("alice@example.org");
    dialogue.play_all(
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response></authenticate>
         - refuses +15550100123: invalid-authzid
         S: <failure xmlns='urn:xmpp:sasl:2'><invalid-authzid xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>",
    );
}
