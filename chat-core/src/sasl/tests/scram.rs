//! SCRAM: the RFCs' vectors, every hash function, several passwords, names that need escapes.

use proptest::prelude::*;

use super::client::Client;
use super::*;

/// The exchange that an RFC prints, message by message; the server does not say `h=` in it, so the
/// proof is checked where it is computed.
#[track_caller]
fn check_vector(hash: ScramHash, salt: &str, auth_message: [&str; 3], proof: &str, verifier: &str) {
    let salt = BASE64.decode(salt.as_bytes()).unwrap();
    let keys = ScramKeys::derive(hash, "pencil", &salt, rounds(4096)).unwrap();
    let auth_message = auth_message.join(",");
    let proof = BASE64.decode(proof.as_bytes()).unwrap();
    assert!(keys.verifies(auth_message.as_bytes(), &proof));
    assert_eq!(base64(&keys.server_signature(auth_message.as_bytes())), verifier);
    assert!(!keys.verifies(auth_message.as_bytes(), &proof[1..]));
}

#[test]
fn rfc_5802_5() {
    check_vector(
        ScramHash::Sha1,
        "QSXCR+Q6sek8bf92",
        [
            "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
        ],
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    );
}

#[test]
fn rfc_7677_3() {
    check_vector(
        ScramHash::Sha256,
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        [
            "n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        ],
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    );
}

/// XEP-0474's example, whose lists are hashed under SHA-1.
#[test]
fn xep_0474_downgrade_digest() {
    let scram = |plus| Mechanism::Scram { hash: ScramHash::Sha1, plus };
    let bindings = [ChannelBinding::TlsServerEndPoint, ChannelBinding::TlsExporter];
    let offer = Offer::of(&[scram(true), scram(false)], &bindings);
    assert_eq!(offer.downgrade_digest(ScramHash::Sha1), "G6k/rBLDqgOhRRaCuuatSDFkJ08=");
}

/// XEP-0474's example, message by message: SCRAM-SHA-1-PLUS with `h=` and an extension.
#[test]
fn xep_0474_exchange() {
    let exporter = Some(b"THIS IS FAKE CB DATA".to_vec());
    let channel = Channel::Tls(ChannelBindings { exporter, server_end_point: None });
    let mechanism = Mechanism::Scram { hash: ScramHash::Sha1, plus: true };
    let plain = Mechanism::Scram { hash: ScramHash::Sha1, plus: false };
    let offer = Offer::of(&[mechanism, plain], &ChannelBinding::ALL);
    let secret = secret();
    let terms = Terms { offer: &offer, channel: &channel, secret: &secret, token_count: None };
    let salt = BASE64.decode(b"QSXCR+Q6sek8bf92").unwrap();
    let keys = ScramKeys::derive(ScramHash::Sha1, "pencil", &salt, rounds(4096)).unwrap();
    let known = Credentials { passwords: vec![PasswordKeys::from_iter([keys])], tokens: vec![] };

    let nonce = ServerNonce("a09117a6-ac50-4f2f-93f1-93799c2bddf6".into());
    let first = b"p=tls-exporter,,n=user,r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6";
    let step = start(mechanism, Some(first), nonce, &terms);
    let Step::LookUp(look_up) = step else { panic!("{step:?}") };
    let challenge = challenge(look_up.answer(Some(&known), "user", &terms));
    assert_eq!(
        text(challenge.bytes()),
        "r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,\
         s=QSXCR+Q6sek8bf92,i=4096,h=G6k/rBLDqgOhRRaCuuatSDFkJ08="
    );
    let last = "c=cD10bHMtZXhwb3J0ZXIsLFRISVMgSVMgRkFLRSBDQiBEQVRB,\
                r=12C4CD5C-E38E-4A98-8F6D-15C38F51CCC6a09117a6-ac50-4f2f-93f1-93799c2bddf6,\
                x=19C6532F-1CF4-4A27-A18D-DC9CEA41BBB3,p=M/SIDjT+dfcxUh89jZEypRvFxB4=";
    let success = success(challenge.respond(last.as_bytes(), &terms));
    assert_eq!(success.additional_data.unwrap(), b"v=MQrMPvv7yv4x4Cq4W4Ih25EqS2c=");
}

/// Logs in and checks the server's signature.
#[track_caller]
fn log_in(server: &mut Server, mechanism: &str, client: &Client) -> Success {
    let step = server.start(mechanism, Some(client.first().as_bytes()));
    let challenge = challenge(step);
    let (last, expected) = client.last(text(challenge.bytes()));
    let success = success(server.respond(challenge, last.as_bytes()));
    assert_eq!(text(success.additional_data.as_deref().unwrap()), expected);
    success
}

#[test]
fn each_hash_with_and_without_binding() {
    let mut server = Server::new(tls(), Some(account(&["pencil"])));
    for hash in ScramHash::ALL {
        let client = Client::new(hash, "user", "pencil");
        log_in(&mut server, hash.scram_name(), &client);
        let plus = format!("{}-PLUS", hash.scram_name());
        log_in(&mut server, &plus, &client.bound("tls-exporter", EXPORTER));
        let client = Client::new(hash, "user", "pencil");
        log_in(&mut server, &plus, &client.bound("tls-server-end-point", END_POINT));
    }
}

#[test]
fn app_passwords_are_told_apart() {
    let passwords = ["pencil", "abcd-efgh", "ijkl-mnop"];
    let mut server = Server::new(tls(), Some(account(&passwords)));
    for (at, password) in passwords.iter().enumerate() {
        let client = Client::new(ScramHash::Sha256, "user", password);
        let success = log_in(&mut server, "SCRAM-SHA-256", &client);
        assert_eq!(place(success.credential, &account(&passwords)), at);
    }
}

#[test]
fn a_client_that_waits_for_the_first_challenge() {
    let mut server = Server::new(tls(), Some(account(&["pencil"])));
    let client = Client::new(ScramHash::Sha256, "user", "pencil");
    let empty = challenge(server.start("SCRAM-SHA-256", None));
    assert!(empty.bytes().is_empty());
    let first = challenge(server.respond(empty, client.first().as_bytes()));
    let (last, _) = client.last(text(first.bytes()));
    success(server.respond(first, last.as_bytes()));
}

#[test]
fn y_is_true_where_no_binding_is_offered() {
    let mut server = Server::new(tls_without_binding(), Some(account(&["pencil"])));
    let mut client = Client::new(ScramHash::Sha256, "user", "pencil");
    client.gs2_header = "y,,".into();
    log_in(&mut server, "SCRAM-SHA-256", &client);
}

#[test]
fn names_are_unescaped_and_prepared() {
    #[track_caller]
    fn check(username: &str, expected: &str) {
        let mut server = Server::new(tls(), Some(account(&["pencil"])));
        let client = Client::new(ScramHash::Sha1, username, "pencil");
        assert_eq!(log_in(&mut server, "SCRAM-SHA-1", &client).username, expected);
    }
    check("a,b=c", "a,b=c");
    check(",,==", ",,==");
    check("I\u{ad}X", "IX");
    check("+15550100123", "+15550100123");
}

#[test]
fn an_authzid_is_passed_on() {
    let server = Server::new(tls(), None);
    let hash = ScramHash::Sha256;
    let nonce = ServerNonce("s".into());
    let first = b"n,a=user=2C@example.org,n=user,r=c";
    let step = start(Mechanism::Scram { hash, plus: false }, Some(first), nonce, &server.terms());
    let Step::LookUp(look_up) = step else { panic!("{step:?}") };
    assert_eq!((look_up.username(), look_up.authzid()), ("user", Some("user,@example.org")));
}

#[test]
fn an_unknown_user_is_shown_the_same_salt_each_time() {
    let shown = |username: &str, hash: ScramHash| {
        let mut server = Server::new(tls(), None);
        let client = Client::new(hash, username, "pencil");
        let step = server.start(hash.scram_name(), Some(client.first().as_bytes()));
        let challenge = challenge(step);
        let message = text(challenge.bytes()).to_owned();
        let (last, _) = client.last(&message);
        let step = server.respond(challenge, last.as_bytes());
        assert_eq!(failure(step), SaslCondition::NotAuthorized);
        message.split_once(",s=").unwrap().1.split_once(",h=").unwrap().0.to_owned()
    };
    let hash = ScramHash::Sha256;
    assert_eq!(shown("nobody", hash), shown("nobody", hash));
    assert_eq!(shown("nobody", hash), shown("Nobody", hash));
    assert_eq!(shown("nobody", hash), shown("nobody", ScramHash::Sha512));
    assert_ne!(shown("nobody", hash), shown("nowhere", hash));

    // Neither its length nor the rounds differ from those of an account.
    let keys = PasswordKeys::derive("pencil", Salt([1; SALT_BYTES])).unwrap();
    let real = keys.under(hash).unwrap();
    let real = format!("{},i={}", base64(&real.salt), real.iterations);
    assert_eq!(shown("nobody", hash).len(), real.len());
    assert_eq!(
        shown("nobody", hash).split_once(",i=").unwrap().1,
        real.split_once(",i=").unwrap().1
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever knows the password gets in, under any name, nonce and mechanism; nobody else does.
    #[test]
    fn only_the_password_opens(
        username in "[a-z0-9=,+é]{1,20}",
        password in "[ -~]{1,40}",
        tried in "[ -~]{1,40}",
        nonce in "[!-+\\--~]{1,64}",
        which in 0..3_usize,
        plus in any::<bool>(),
    ) {
        let hash = ScramHash::ALL[which];
        let mut server = Server::new(tls(), Some(account(&["another", &password])));
        let mut client = Client::new(hash, &username, &tried);
        client.nonce = nonce;
        let mut mechanism = hash.scram_name().to_owned();
        if plus {
            client = client.bound("tls-exporter", EXPORTER);
            mechanism.push_str("-PLUS");
        }
        let start = |server: &mut Server, client: &Client| {
            challenge(server.start(&mechanism, Some(client.first().as_bytes())))
        };
        let asked = start(&mut server, &client);
        let (last, _) = client.last(text(asked.bytes()));
        match server.respond(asked, last.as_bytes()) {
            Step::Success(_) => prop_assert!(tried == password || tried == "another"),
            step => prop_assert_eq!(failure(step), SaslCondition::NotAuthorized),
        }
        client.password.clone_from(&password);
        let asked = start(&mut server, &client);
        let (last, verifier) = client.last(text(asked.bytes()));
        let done = success(server.respond(asked, last.as_bytes()));
        prop_assert_eq!(place(done.credential, &account(&["another", &password])), 1);
        prop_assert_eq!(done.additional_data.unwrap(), verifier.into_bytes());
        prop_assert_eq!(done.username, client.username);
    }
}
