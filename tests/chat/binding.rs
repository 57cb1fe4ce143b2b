//! Logins that are bound to their TLS session, so that nobody in between can use them: SCRAM-PLUS
//! (RFC 5802, 6) by `tls-exporter` (RFC 9266) and `tls-server-end-point` (RFC 5929).

use std::sync::Arc;

use aws_lc_rs::{digest, hmac, pbkdf2};
use data_encoding::BASE64;
use rustls::version::TLS13;

use crate::server::Account;
use crate::stage::{Stage, scenario};
use crate::tls;
use crate::wire::Wire;
use crate::xml::Element;

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";

/// One of SCRAM's hash functions.
struct Scram {
    name: &'static str,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
    digest: &'static digest::Algorithm,
}

fn scrams() -> [Scram; 3] {
    [
        Scram {
            name: "SCRAM-SHA-1-PLUS",
            hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
            digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
        },
        Scram {
            name: "SCRAM-SHA-256-PLUS",
            hmac: hmac::HMAC_SHA256,
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256,
            digest: &digest::SHA256,
        },
        Scram {
            name: "SCRAM-SHA-512-PLUS",
            hmac: hmac::HMAC_SHA512,
            pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512,
            digest: &digest::SHA512,
        },
    ]
}

impl Scram {
    fn sign(&self, key: &[u8], text: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.hmac, key), text.as_bytes()).as_ref().to_vec()
    }

    /// The proof for the server, and the signature that it must answer with.
    fn prove(&self, password: &str, first: &ServerFirst, exchange: &str) -> (Vec<u8>, Vec<u8>) {
        let mut salted = vec![0; self.digest.output_len()];
        let rounds = first.iterations.try_into().unwrap();
        pbkdf2::derive(self.pbkdf2, rounds, &first.salt, password.as_bytes(), &mut salted);
        let client = self.sign(&salted, "Client Key");
        let stored = digest::digest(self.digest, &client);
        let signature = self.sign(stored.as_ref(), exchange);
        let proof = client.iter().zip(signature).map(|(key, signed)| key ^ signed).collect();
        (proof, self.sign(&self.sign(&salted, "Server Key"), exchange))
    }
}

struct ServerFirst {
    nonce: String,
    salt: Vec<u8>,
    iterations: u32,
}

impl ServerFirst {
    fn read(text: &str) -> Self {
        let field = |name: &str| {
            let found = text.split(',').find_map(|field| field.strip_prefix(name));
            found.unwrap_or_else(|| panic!("no {name} in {text}")).to_owned()
        };
        Self {
            nonce: field("r="),
            salt: BASE64.decode(field("s=").as_bytes()).unwrap(),
            iterations: field("i=").parse().unwrap(),
        }
    }
}

/// How a client says that it is bound: the header of RFC 5801, and what it is bound to.
struct Binding {
    header: &'static str,
    data: Vec<u8>,
}

/// Logs in, and gives the failure's condition if the server is against it.
fn log_in(
    wire: &mut Wire,
    account: &Account,
    (scram, mechanism): (&Scram, &str),
    Binding { header, data }: Binding,
) -> Result<(), String> {
    let user = account.jid.split('@').next().unwrap();
    let client_first = format!("n={user},r=fyko+d2lbbFgONRv9qkxdawL");
    let begin = BASE64.encode(format!("{header}{client_first}").as_bytes());
    wire.send(&format!("<auth xmlns='{SASL}' mechanism='{mechanism}'>{begin}</auth>")).unwrap();
    let server_first = said(&answer(wire)?);
    let first = ServerFirst::read(&server_first);
    let bound = BASE64.encode(&[header.as_bytes(), &data].concat());
    let without_proof = format!("c={bound},r={}", first.nonce);
    let exchange = format!("{client_first},{server_first},{without_proof}");
    let (proof, signature) = scram.prove(&account.password, &first, &exchange);
    let response = BASE64.encode(format!("{without_proof},p={}", BASE64.encode(&proof)).as_bytes());
    wire.send(&format!("<response xmlns='{SASL}'>{response}</response>")).unwrap();
    let success = answer(wire)?;
    assert_eq!(said(&success), format!("v={}", BASE64.encode(&signature)));
    wire.open().unwrap();
    Ok(())
}

fn answer(wire: &mut Wire) -> Result<Element, String> {
    let names = ["challenge", "success", "failure"];
    let element = wire.answer(|element| names.contains(&&*element.name)).unwrap();
    match &*element.name {
        "failure" => Err(element.children[0].name.clone()),
        _ => Ok(element),
    }
}

fn said(element: &Element) -> String {
    String::from_utf8(BASE64.decode(element.text.as_bytes()).unwrap()).unwrap()
}

fn connect(stage: &Stage) -> Wire {
    let client = tls::client(&stage.server.certificate(), &TLS13, &[]);
    let mut wire = Wire::connect(stage.server.doors.direct_tls, &Arc::clone(&client)).unwrap();
    let features = wire.open().unwrap();
    let mechanisms = features.child("mechanisms").unwrap();
    for scram in scrams() {
        assert!(mechanisms.children.iter().any(|it| it.text == scram.name), "{features:?}");
    }
    wire
}

fn exporter(wire: &Wire) -> Binding {
    Binding { header: "p=tls-exporter,,", data: wire.exported_key().to_vec() }
}

fn end_point(wire: &Wire) -> Binding {
    let hash = digest::digest(&digest::SHA256, wire.certificate());
    Binding { header: "p=tls-server-end-point,,", data: hash.as_ref().to_vec() }
}

#[test]
fn a_login_may_be_bound_to_its_session_or_to_the_certificate() {
    scenario(|stage| {
        if stage.prosody_lacks("channel binding on TLS 1.3") {
            return;
        }
        let account = stage.server.account();
        for scram in scrams() {
            for binding in [exporter, end_point] {
                let mut wire = connect(stage);
                let binding = binding(&wire);
                let done = log_in(&mut wire, &account, (&scram, scram.name), binding);
                assert_eq!(done, Ok(()), "{}", scram.name);
            }
        }
    });
}

#[test]
fn a_login_that_is_bound_to_another_session_is_refused() {
    scenario(|stage| {
        if stage.prosody_lacks("channel binding on TLS 1.3") {
            return;
        }
        let account = stage.server.account();
        let (other, mut wire) = (connect(stage), connect(stage));
        let scram = &scrams()[1];
        let done = log_in(&mut wire, &account, (scram, scram.name), exporter(&other));
        assert_eq!(done, Err("not-authorized".to_owned()));
    });
}

#[test]
fn a_client_that_was_told_of_no_binding_is_refused() {
    scenario(|stage| {
        if stage.prosody_lacks("channel binding on TLS 1.3") {
            return;
        }
        // Someone in between took the PLUS mechanisms off the list: the client says that it could
        // bind, and heard that the server could not (RFC 5802, 6).
        let account = stage.server.account();
        let mut wire = connect(stage);
        let binding = Binding { header: "y,,", data: Vec::new() };
        let done = log_in(&mut wire, &account, (&scrams()[1], "SCRAM-SHA-256"), binding);
        assert_eq!(done, Err("not-authorized".to_owned()));
    });
}
