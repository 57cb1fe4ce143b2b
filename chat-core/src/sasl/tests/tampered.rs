//! Wrong proofs, changed messages, hidden offers, replays, and what is no SASL message at all.

use proptest::prelude::*;

use super::client::Client;
use super::*;

const SHA_256: ScramHash = ScramHash::Sha256;

/// What becomes of an exchange whose last message is changed.
#[track_caller]
fn check_last(change: impl Fn(&str) -> String, expected: SaslCondition) {
    let mut server = Server::new(tls(), Some(account(&["pencil"])));
    let client = Client::new(SHA_256, "user", "pencil").bound("tls-exporter", EXPORTER);
    let asked = challenge(server.start("SCRAM-SHA-256-PLUS", Some(client.first().as_bytes())));
    let (last, _) = client.last(text(asked.bytes()));
    assert_eq!(failure(server.respond(asked, change(&last).as_bytes())), expected);
}

/// What becomes of a first message.
#[track_caller]
fn check_first(mechanism: &str, first: &str, expected: SaslCondition) {
    let mut server = Server::new(tls(), Some(account(&["pencil"])));
    assert_eq!(failure(server.start(mechanism, Some(first.as_bytes()))), expected, "{first}");
}

#[test]
fn the_last_message_is_whole() {
    let malformed = SaslCondition::MalformedRequest;
    check_last(|last| last.replace("client-nonce", "other-nonce!"), malformed);
    check_last(|last| last.replace(",p=", ",q="), malformed);
    check_last(|last| last.replace(",p=", ",p=!"), malformed);
    check_last(|last| last.replace(",p=", ",m=1,p="), malformed);
    check_last(|last| last.replace("c=", "c=!"), malformed);
    check_last(|_| String::new(), malformed);
    check_last(|_| "x".repeat(MESSAGE_BYTES_MAX + 1), malformed);
}

#[test]
fn the_proof_covers_each_byte() {
    let refused = SaslCondition::NotAuthorized;
    // An extension is allowed, but the client did not sign it.
    check_last(|last| last.replace(",p=", ",x=1,p="), refused);
    check_last(
        |last| format!("{},p={}", last.rsplit_once(",p=").unwrap().0, base64(&[0; 32])),
        refused,
    );
    check_last(|last| format!("{},p=AAAA", last.rsplit_once(",p=").unwrap().0), refused);
    let unbound = format!("c={}", base64(b"n,,"));
    check_last(move |last| format!("{unbound},{}", last.split_once(',').unwrap().1), refused);
}

/// Somebody in the middle has a TLS connection of his own to each side.
#[test]
fn another_connection_does_not_fit() {
    for (name, seen) in [("tls-exporter", [8; 32]), ("tls-server-end-point", [10; 32])] {
        let mut server = Server::new(tls(), Some(account(&["pencil"])));
        let client = Client::new(SHA_256, "user", "pencil").bound(name, &seen);
        let asked = challenge(server.start("SCRAM-SHA-256-PLUS", Some(client.first().as_bytes())));
        let (last, _) = client.last(text(asked.bytes()));
        assert_eq!(failure(server.respond(asked, last.as_bytes())), SaslCondition::NotAuthorized);
    }
}

#[test]
fn a_hidden_offer_is_noticed() {
    // The client saw no -PLUS, but the server did offer it.
    check_first("SCRAM-SHA-256", "y,,n=user,r=c", SaslCondition::NotAuthorized);

    // XEP-0474: a client that saw a shorter list sees another digest in the challenge.
    let digest = |channel| {
        let mut server = Server::new(channel, Some(account(&["pencil"])));
        let first = Client::new(SHA_256, "user", "pencil").first();
        let asked = challenge(server.start("SCRAM-SHA-256", Some(first.as_bytes())));
        text(asked.bytes()).rsplit_once(",h=").unwrap().1.to_owned()
    };
    assert_ne!(digest(tls()), digest(tls_without_binding()));
}

#[test]
fn the_flag_fits_the_mechanism() {
    let malformed = SaslCondition::MalformedRequest;
    check_first("SCRAM-SHA-256-PLUS", "n,,n=user,r=c", malformed);
    check_first("SCRAM-SHA-256-PLUS", "y,,n=user,r=c", malformed);
    check_first("SCRAM-SHA-256-PLUS", "p=tls-unique,,n=user,r=c", malformed);
    check_first("SCRAM-SHA-256", "p=tls-exporter,,n=user,r=c", malformed);
    check_first("SCRAM-SHA-256", "p=,,n=user,r=c", malformed);
    check_first("SCRAM-SHA-256", "z,,n=user,r=c", malformed);
}

#[test]
fn the_first_message_is_whole() {
    for first in [
        "",
        "n",
        "n,,",
        "n,,n=user",
        "n,,r=c,n=user",
        "n,,n=,r=c",
        "n,,n=user,r=",
        "n,,n=user,r=ü",
        "n,,m=1,n=user,r=c",
        "n,,n=user,r=c,m=1",
        "n,,n=user,r=c,1=1",
        "n,,n=user,r=c,",
        "n,x=user,n=user,r=c",
        "n,a=,n=user,r=c",
        "n,,n=us=er,r=c",
        "n,,n=user=2c,r=c",
        "n,,n=user=,r=c",
        "n,,n=us\0er,r=c",
        "n,,n=us\u{7}er,r=c",
        "n,,n=\u{ad},r=c",
    ] {
        check_first("SCRAM-SHA-256", first, SaslCondition::MalformedRequest);
    }
    let long = format!("n,,n={},r=c", "u".repeat(USERNAME_BYTES_MAX + 1));
    check_first("SCRAM-SHA-256", &long, SaslCondition::MalformedRequest);
    let long = format!("n,,n=user,r={}", "c".repeat(257));
    check_first("SCRAM-SHA-256", &long, SaslCondition::MalformedRequest);
}

#[test]
fn what_is_not_offered_is_not_spoken() {
    let server = Server::new(Channel::Plaintext, Some(account(&["pencil"])));
    let nonce = ServerNonce("s".into());
    let step = start(Mechanism::Plain, Some(b"\0user\0pencil"), nonce, &server.terms());
    assert_eq!(failure(step), SaslCondition::InvalidMechanism);
}

#[test]
fn a_recorded_exchange_cannot_be_replayed() {
    let mut server = Server::new(tls(), Some(account(&["pencil"])));
    let client = Client::new(SHA_256, "user", "pencil");
    let first = client.first();
    let asked = challenge(server.start("SCRAM-SHA-256", Some(first.as_bytes())));
    let recorded = text(asked.bytes()).to_owned();
    let (last, _) = client.last(&recorded);
    success(server.respond(asked, last.as_bytes()));

    let asked = challenge(server.start("SCRAM-SHA-256", Some(first.as_bytes())));
    assert_ne!(text(asked.bytes()), recorded, "the server drew its nonce twice");
    let step = server.respond(asked, last.as_bytes());
    assert_eq!(failure(step), SaslCondition::MalformedRequest);
}

proptest! {
    /// Nothing that a client sends gets in without a password, or stops the server.
    #[test]
    fn garbage_fails(
        first in prop::collection::vec(any::<u8>(), 0..80),
        last in prop::collection::vec(any::<u8>(), 0..80),
        opening in prop::sample::select(vec!["", "n,,n=user,r=", "p=tls-exporter,,n=u,r=c", "\0user\0", "user\0"]),
        mechanism in prop::sample::select(vec![
            "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512", "PLAIN", "HT-SHA-256-NONE", "HT-SHA-256-EXPR",
        ]),
    ) {
        let mut server = Server::new(tls(), Some(account(&["a long password that nobody guesses"])));
        let first = [opening.as_bytes(), &first].concat();
        if let Step::Challenge(asked) = server.start(mechanism, Some(&first)) {
            failure(server.respond(asked, &last));
        }
    }
}
