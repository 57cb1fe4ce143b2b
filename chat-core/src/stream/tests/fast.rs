//! XEP-0484: tokens inside XEP-0388.

use super::dialogue::{ACCOUNT, DEVICE, NOW_S};
use super::sasl2::bound;
use super::*;
use crate::sasl::tests::{EXPORTER, secret};
use crate::sasl::{
    DeviceTokens, NewToken, TOKEN_LIFETIME_S, TokenHolder, TokenMechanism, TokenWish,
};
use crate::stream::Ready;

/// Alice's device, which asked for a token `age_s` seconds ago.
fn tokens(mechanism: TokenMechanism, age_s: u64) -> DeviceTokens {
    let mut tokens = DeviceTokens::default();
    let wish = TokenWish { request: Some(mechanism), ..TokenWish::default() };
    let holder = TokenHolder { account: ACCOUNT, device: DEVICE };
    tokens.log_in(None, wish, holder, &secret(), NOW_S - age_s).unwrap();
    tokens
}

#[track_caller]
fn check_open(setup: Setup, script: &str) {
    let mut dialogue = Dialogue::new(setup);
    dialogue.open();
    dialogue.play_all(script);
}

#[test]
fn one_round_trip() {
    let new = NewToken { token: "s3cr3t".into(), expires_s: NOW_S };
    let ready = Ready { token: Some(new), ..bound() };
    let tokens = tokens(TokenMechanism::Exporter, 0);
    check_open(
        Setup::new().with_tokens(&tokens, EXPORTER).with_ready(ready),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'><initial-response>{token}</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><bind xmlns='urn:xmpp:bind:0'><tag>Wren</tag><enable xmlns='urn:xmpp:sm:3'/></bind><fast xmlns='urn:xmpp:fast:0' count='123'/></authenticate>
         - looks up +15550100123 on d4565fa7-4d72-4749-b3d3-740edbf87770
         - logs in by HT-SHA-256-EXPR with token 1; agent d4565fa7-4d72-4749-b3d3-740edbf87770 - -; count 123; binds Wren sm
         S: <success xmlns='urn:xmpp:sasl:2'><additional-data>{answer}</additional-data><authorization-identifier>k7qm2xw4p9ab@example.org/Wren~1</authorization-identifier><bound xmlns='urn:xmpp:bind:0'><enabled xmlns='urn:xmpp:sm:3' id='sm1'/></bound><token xmlns='urn:xmpp:fast:0' expiry='2026-09-21T14:13:20.000Z' token='s3cr3t'/></success>
         S: <stream:features><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established",
    );
}

#[test]
fn a_token_is_asked_for_with_a_password() {
    check_open(
        Setup::new(),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>{plain}</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/></authenticate>
         - looks up +15550100123 on d4565fa7-4d72-4749-b3d3-740edbf87770
         - checks a password
         - logs in by PLAIN with password 0; agent d4565fa7-4d72-4749-b3d3-740edbf87770 - -; wants a token for HT-SHA-256-NONE
         S: <success xmlns='urn:xmpp:sasl:2'><authorization-identifier>k7qm2xw4p9ab@example.org</authorization-identifier></success>
         S: <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established",
    );
}

/// Somebody in the middle has another TLS connection to the server than to the client.
#[test]
fn a_token_is_bound_to_its_connection() {
    let tokens = tokens(TokenMechanism::Exporter, 0);
    check_open(
        Setup::new().with_tokens(&tokens, b"another connection"),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-EXPR'><initial-response>{token}</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><fast xmlns='urn:xmpp:fast:0'/></authenticate>
         - looks up +15550100123 on d4565fa7-4d72-4749-b3d3-740edbf87770
         - refuses +15550100123: not-authorized
         * wait 500
         S: <failure xmlns='urn:xmpp:sasl:2'><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>",
    );
}

#[test]
fn an_old_token_is_told_apart_from_a_wrong_one() {
    let tokens = tokens(TokenMechanism::Unbound, TOKEN_LIFETIME_S);
    check_open(
        Setup::new().with_tokens(&tokens, b""),
        "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><initial-response>{token}</initial-response><user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><fast xmlns='urn:xmpp:fast:0' invalidate='1'/></authenticate>
         - looks up +15550100123 on d4565fa7-4d72-4749-b3d3-740edbf87770
         - refuses +15550100123: credentials-expired
         * wait 500
         S: <failure xmlns='urn:xmpp:sasl:2'><credentials-expired xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/></failure>
         C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'><initial-response>{first}</initial-response></authenticate>
         - looks up +15550100123
         S: <challenge xmlns='urn:xmpp:sasl:2'>{challenge}</challenge>",
    );
}

/// What is asked, and how it is refused before anybody is looked up.
#[track_caller]
fn check_refused(inside: &str, text: &str) {
    let written = text.replace('<', "&lt;").replace('>', "&gt;");
    check_open(
        Setup::new(),
        &format!(
            "C: <authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'><initial-response>{{token}}</initial-response>{inside}</authenticate>
             - refuses somebody: malformed-request: {text}
             S: <failure xmlns='urn:xmpp:sasl:2'><malformed-request xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/><text>{written}</text></failure>"
        ),
    );
}

#[test]
fn a_token_is_shown_as_one_and_by_a_device() {
    let fast = "<fast xmlns='urn:xmpp:fast:0'/>";
    let agent = "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/>";
    check_refused("", "<fast/> belongs to a mechanism for tokens");
    check_refused(agent, "<fast/> belongs to a mechanism for tokens");
    check_refused(fast, "a token belongs to a user agent with an id");
    check_refused("<user-agent id='/'/>", "the user agent's id is not a UUID");
    let count = "<fast xmlns='urn:xmpp:fast:0' count='-1'/>";
    check_refused(&[agent, count].concat(), "the count is not a number");
    let request = "<request-token xmlns='urn:xmpp:fast:0' mechanism='PLAIN'/>";
    check_refused(&[agent, fast, request].concat(), "there are no tokens for that mechanism");
}
