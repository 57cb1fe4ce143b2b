//! RFC 6120 6: SASL and the restart.

use super::*;
use crate::sasl::{SaslCondition, ScramHash};

/// Behind an opened stream, whose features other tests show.
#[track_caller]
fn check_open(setup: Setup, script: &str) {
    let mut dialogue = Dialogue::new(setup);
    dialogue.open();
    dialogue.play_all(script);
}

#[test]
fn scram() {
    check_open(
        Setup::new(),
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         - looks up +15550100123
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{challenge}</challenge>
         C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>
         - logs in by SCRAM-SHA-256 with password 0; legacy
         S: <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{verifier}</success>
         - restarts
         C: {open}
         S: {header}
         S: <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established
         C: <iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>
         - element <iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>
         C: </stream:stream>
         S: </stream:stream>
         - closes",
    );
}

#[test]
fn scram_plus() {
    let mut setup = Setup::new();
    setup.client.hash = ScramHash::Sha512;
    setup.client.password = "abcd-efgh".into();
    check_open(
        setup.bound(),
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-512-PLUS'>{first}</auth>
         - looks up +15550100123
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{challenge}</challenge>
         C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>
         - logs in by SCRAM-SHA-512-PLUS with password 1; legacy
         S: <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{verifier}</success>
         - restarts",
    );
}

/// A client in a hurry sends its password and what follows in one go.
#[test]
fn plain_in_one_flight() {
    check_open(
        Setup::new(),
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>{open}<presence/>
         - looks up +15550100123
         - checks a password
         - logs in by PLAIN with password 0; legacy
         S: <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
         - restarts
         S: {header}
         S: <stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/><session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session><sm xmlns='urn:xmpp:sm:3'/><csi xmlns='urn:xmpp:csi:0'/><ver xmlns='urn:xmpp:features:rosterver'/><sub xmlns='urn:xmpp:features:pre-approval'/></stream:features>
         - established
         - element <presence/>",
    );
}

#[test]
fn the_initial_response_may_come_later() {
    check_open(
        Setup::new(),
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
         C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{plain}</response>
         - looks up +15550100123
         - checks a password
         - logs in by PLAIN with password 0; legacy
         S: <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
         - restarts",
    );
}

#[test]
fn failures_are_told_later_each_time_and_thrice_only() {
    let mut setup = Setup::new();
    setup.client.password = "Pencil".into();
    let exchange =
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         - looks up +15550100123
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{challenge}</challenge>
         C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>
         - refuses +15550100123: not-authorized";
    let failure =
        "S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>";
    check_open(
        setup,
        &format!(
            "{exchange}
             * wait 499
             * wait 1
             {failure}
             {exchange}
             * wait 999
             * wait 1
             {failure}
             {exchange}
             * wait 1500
             {failure}
             S: <stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/><text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>too many failed attempts</text></stream:error>
             S: </stream:stream>
             - closes: policy-violation"
        ),
    );
}

#[test]
fn an_unknown_user_is_challenged_too() {
    let mut setup = Setup::new();
    setup.client.username = "+15550100777".into();
    check_open(
        setup,
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         - looks up +15550100777
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{challenge}</challenge>
         C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>
         - refuses +15550100777: not-authorized
         * wait 500
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>
         C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>
         - looks up +15550100777
         - checks a password
         - refuses +15550100777: not-authorized
         * wait 1000
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>",
    );
}

#[test]
fn a_hidden_offer_is_noticed() {
    let mut setup = Setup::new();
    setup.client.gs2_header = "y,,".into();
    check_open(
        setup,
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         - refuses somebody: not-authorized: the server does offer channel binding: somebody hid it
         * wait 500
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/><text xml:lang='en'>the server does offer channel binding: somebody hid it</text></failure>",
    );
}

#[test]
fn nobody_acts_as_somebody_else() {
    #[track_caller]
    fn check_authzid(authzid: &str, outcome: &str) {
        let mut setup = Setup::new();
        setup.client.gs2_header = format!("n,a={authzid},");
        check_open(
            setup,
            &format!(
                "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{{first}}</auth>
                 - looks up +15550100123
                 S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{{challenge}}</challenge>
                 C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{{last}}</response>
                 {outcome}"
            ),
        );
    }
    let welcome = "- logs in by SCRAM-SHA-256 with password 0; legacy
         S: <success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{verifier}</success>
         - restarts";
    check_authzid("+15550100123@example.org", welcome);
    check_authzid("k7qm2xw4p9ab@example.org", welcome);
    let refusal = "- refuses +15550100123: invalid-authzid
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-authzid/></failure>";
    check_authzid("+15550100777@example.org", refusal);
    check_authzid("example.org", refusal);
    check_authzid("+15550100123@example.com", refusal);
    check_authzid("+15550100123@example.org/phone", refusal);
    check_authzid("@", refusal);
}

#[test]
fn abort() {
    check_open(
        Setup::new(),
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         - looks up +15550100123
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{challenge}</challenge>
         C: <abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>
         - refuses +15550100123: aborted
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><aborted/></failure>",
    );
}

#[test]
fn what_cannot_be_read_or_told() {
    let mut setup = Setup::new();
    setup.client.username = "+15550100999".into();
    check_open(
        setup,
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>***</auth>
         - refuses somebody: incorrect-encoding
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><incorrect-encoding/></failure>
         C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>
         - looks up +15550100999
         - refuses +15550100999: temporary-auth-failure
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><temporary-auth-failure/></failure>",
    );
    // Tokens are not spoken of under this profile.
    check_open(
        Setup::new(),
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='HT-SHA-256-NONE'>{token}</auth>
         - refuses somebody: invalid-mechanism
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><invalid-mechanism/></failure>",
    );
}

#[test]
fn the_core_has_the_last_word() {
    let setup = Setup { ready: Err(SaslCondition::AccountDisabled.into()), ..Setup::new() };
    check_open(
        setup,
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>
         - looks up +15550100123
         - checks a password
         - logs in by PLAIN with password 0; legacy
         - refuses +15550100123: account-disabled
         S: <failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><account-disabled/></failure>",
    );
}

/// What no account is called is not looked up, and yet told nothing else.
#[test]
fn a_name_that_no_account_can_have() {
    let mut setup = Setup::new();
    setup.client.username = "alice".into();
    check_open(
        setup,
        "C: <auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>
         S: <challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{challenge}</challenge>
         C: <response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>{last}</response>
         - refuses alice: not-authorized",
    );
}

/// However a name is written, it is shown one salt: that of its account, or one that is made up.
#[test]
fn one_name_has_one_salt() {
    let shown = |username: &str| {
        let mut setup = Setup::new();
        setup.config.region = "US".parse().ok();
        setup.client.username = username.into();
        let mut dialogue = Dialogue::new(setup);
        dialogue.open();
        dialogue.say_filled(
            "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>{first}</auth>",
        );
        dialogue.salt_shown()
    };
    for names in [
        ["+15550100123", "+1 555-010-0123", "5550100123"],
        ["+15550100777", "+1 555-010-0777", "5550100777"],
        ["k7qm2xw4p9ab", "K7QM2XW4P9AB", "k7qm2xw4p9ab"],
        ["zzzzzzzzzzzz", "ZZZZZZZZZZZZ", "zzzzzzzzzzzz"],
        ["alice", "Alice", "ALICE"],
    ] {
        let salts = names.map(shown);
        assert!(salts.iter().all(|salt| *salt == salts[0]), "{names:?}: {salts:?}");
    }
}
