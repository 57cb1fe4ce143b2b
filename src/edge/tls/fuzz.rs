//! What the fuzzer calls: a session fed with whatever a peer may send.

use std::io::Write;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

use super::server_config::{provider, server_config};
use super::session::{INCOMING_BYTES_MAX, Phase, Session};

/// Feeds a session with `data`. The first byte chooses: bytes as they are, or the messages of a
/// real client with some of their bytes changed; the second is the size of the pieces.
///
/// # Panics
/// When the session opens what was not sent, keeps more than it may, or fails in silence before
/// keys are agreed.
pub fn fuzz_session(data: &[u8]) {
    let [mode, piece, rest @ ..] = data else { return };
    let piece = usize::from(*piece).max(1);
    match mode % 2 {
        0 => feed_raw(rest, piece),
        _ => feed_changed(rest, piece),
    }
}

fn feed_raw(data: &[u8], piece: usize) {
    let Some((_, server)) = configs() else { return };
    let Ok(mut session) = Session::new(Arc::clone(server)) else { return };
    let mut reply = Vec::new();
    for piece in data.to_vec().chunks_mut(piece) {
        let outcome = session.receive(piece, &mut reply, |_| panic!("data without a handshake"));
        assert!(session.incoming_len() <= INCOMING_BYTES_MAX);
        if outcome.is_err() {
            assert!(session.version().is_some() || reply.len() >= 7, "failed without an alert");
            return;
        }
    }
    session.close(&mut reply);
    assert!(session.seal(b"x", &mut reply).is_err());
}

/// `data` is a list of changes: where (two bytes) and what is flipped (one byte).
fn feed_changed(data: &[u8], piece: usize) {
    let Some((client, server)) = configs() else { return };
    let name = ServerName::try_from(NAME).map(|name| name.to_owned());
    let Ok(Ok(mut client)) = name.map(|name| ClientConnection::new(Arc::clone(client), name))
    else {
        return;
    };
    let Ok(mut session) = Session::new(Arc::clone(server)) else { return };
    let mut changes = data.chunks_exact(3);
    let mut received = Vec::new();
    for round in 0..ROUNDS {
        if !client.is_handshaking() {
            let _ = client.writer().write_all(MESSAGE);
            let _ = round.is_multiple_of(2) && client.refresh_traffic_keys().is_ok();
        }
        let mut ciphertext = Vec::new();
        while client.wants_write() && client.write_tls(&mut ciphertext).is_ok() {}
        if let Some([high, low, flip]) = changes.next()
            && let Some(at) =
                usize::from(u16::from_be_bytes([*high, *low])).checked_rem(ciphertext.len())
        {
            ciphertext[at] ^= flip;
        }
        let mut reply = Vec::new();
        for piece in ciphertext.chunks_mut(piece) {
            let outcome = session.receive(piece, &mut reply, |opened| received.extend(opened));
            assert!(session.incoming_len() <= INCOMING_BYTES_MAX);
            assert!(MESSAGE.repeat(ROUNDS).starts_with(&received), "opened what was not sent");
            if outcome.is_err() {
                assert_eq!(session.phase(), Phase::Closed);
                return;
            }
        }
        if session.phase() == Phase::Open {
            let _ = session.seal(b"answer", &mut reply);
        }
        let mut reply = &reply[..];
        while !reply.is_empty() {
            if client.read_tls(&mut reply).is_err() || client.process_new_packets().is_err() {
                return;
            }
        }
    }
}

type Configs = (Arc<ClientConfig>, Arc<ServerConfig>);

/// Made once: a certificate costs more than a session.
fn configs() -> Option<&'static Configs> {
    static CONFIGS: OnceLock<Option<Configs>> = OnceLock::new();
    CONFIGS.get_or_init(make_configs).as_ref()
}

fn make_configs() -> Option<Configs> {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).ok()?;
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certified = CertifiedKey::from_der(vec![certificate.clone()], key, &provider()).ok()?;
    let server = server_config(provider(), Arc::new(SingleCertAndKey::from(certified))).ok()?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate).ok()?;
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some((Arc::new(client), server))
}

const NAME: &str = "media.example";
const MESSAGE: &[u8] = b"GET / HTTP/1.1\r\nHost: media.example\r\n\r\n";
const ROUNDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_inputs_of_both_kinds() {
        for mode in [0, 1] {
            for piece in [1, 7, 255] {
                fuzz_session(&[mode, piece]);
                fuzz_session(&[mode, piece, 22, 3, 1, 0, 4, 1, 0, 0, 0]);
                fuzz_session(&[mode, piece, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 1]);
            }
        }
    }
}
