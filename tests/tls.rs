//! TLS sessions and streams against rustls' own client, in memory and over loopback.

use std::io::{Cursor, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, SupportedProtocolVersion,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whimbrel::tls::{
    Alpn, Certificates, Phase, SEAL_SLACK_BYTES, SealError, Session, TlsConfig, TlsStream,
};

const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;
const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;

/// A server's settings and those of a client that trusts it.
struct Trust {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    certificates: Arc<Certificates>,
    _folder: tempfile::TempDir,
}

impl Trust {
    /// Has both speak XMPP instead of HTTP.
    fn speak_xmpp(&mut self) {
        self.server = self.certificates.xmpp_config().unwrap();
        let mut client = ClientConfig::clone(&self.client);
        client.alpn_protocols = vec![b"xmpp-client".to_vec()];
        self.client = Arc::new(client);
    }
}

fn trust(version: &'static SupportedProtocolVersion) -> Trust {
    trust_with(version, |_| ())
}

fn trust_with(
    version: &'static SupportedProtocolVersion,
    adjust: impl FnOnce(&mut rustls::crypto::CryptoProvider),
) -> Trust {
    let folder = tempfile::tempdir().unwrap();
    let certificates =
        Certificates::open(&TlsConfig::default(), "media.example", folder.path()).unwrap();
    let file = folder.path().join("tls/self-signed.pem");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file).unwrap()).unwrap();
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    adjust(&mut provider);
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"h2".to_vec()];
    Trust {
        server: certificates.server_config().unwrap(),
        client: Arc::new(client),
        certificates,
        _folder: folder,
    }
}

/// A client and a session joined in memory.
struct Pair {
    client: ClientConnection,
    session: Session,
    received: Vec<u8>,
}

impl Pair {
    fn connect(trust: &Trust) -> Self {
        let mut pair = Self::new(trust);
        pair.handshake();
        pair
    }

    fn new(trust: &Trust) -> Self {
        let name = ServerName::try_from("media.example").unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(&trust.client), name).unwrap(),
            session: Session::new(Arc::clone(&trust.server)).unwrap(),
            received: Vec::new(),
        }
    }

    fn handshake(&mut self) {
        while self.client.is_handshaking() || self.session.is_handshaking() {
            let mut ciphertext = self.sent_by_client();
            let reply = self.receive(&mut ciphertext);
            self.give_client(&reply);
        }
        let mut ciphertext = self.sent_by_client();
        let reply = self.receive(&mut ciphertext);
        self.give_client(&reply);
    }

    fn sent_by_client(&mut self) -> Vec<u8> {
        let mut ciphertext = Vec::new();
        while self.client.wants_write() {
            self.client.write_tls(&mut ciphertext).unwrap();
        }
        ciphertext
    }

    fn receive(&mut self, ciphertext: &mut [u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        let received = &mut self.received;
        self.session
            .receive(ciphertext, &mut reply, |opened| received.extend_from_slice(opened))
            .unwrap();
        reply
    }

    fn give_client(&mut self, records: &[u8]) -> Vec<u8> {
        let mut records = Cursor::new(records);
        let mut plaintext = Vec::new();
        while (records.position() as usize) < records.get_ref().len() {
            self.client.read_tls(&mut records).unwrap();
            self.client.process_new_packets().unwrap();
            let mut piece = [0; 64 * 1024];
            while let Ok(len @ 1..) = self.client.reader().read(&mut piece) {
                plaintext.extend_from_slice(&piece[..len]);
            }
        }
        plaintext
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

#[test]
fn both_versions_agree_on_name_and_protocol() {
    for version in [TLS12, TLS13] {
        let pair = Pair::connect(&trust(version));
        assert_eq!(pair.session.phase(), Phase::Open);
        assert_eq!(pair.session.version(), Some(version.version));
        assert_eq!(pair.session.alpn(), Alpn::Http2);
        assert_eq!(pair.session.server_name(), Some("media.example"));
        assert_eq!(pair.session.incoming_len(), 0);
        let suite = format!("{:?}", pair.session.cipher_suite().unwrap());
        assert!(suite.contains("AES_128_GCM"), "{suite}");
    }
}

#[test]
fn sealed_length_is_exact_for_each_suite() {
    for version in [TLS12, TLS13] {
        for index in 0..rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES.len() {
            let suite = rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES[index];
            let name = format!("{:?}", suite.suite());
            if suite.version() != version || name.contains("_RSA_") {
                continue;
            }
            let trust = trust_with(version, |provider| provider.cipher_suites = vec![suite]);
            let mut pair = Pair::connect(&trust);
            for len in [0, 1, 16_384, 16_385, 100_000] {
                let plaintext = pattern(len);
                let mut output = vec![0; pair.session.sealed_len(len)];
                let sealed = pair.session.seal_into(&plaintext, &mut output);
                assert_eq!(sealed, Ok(output.len()), "{name}, {len} bytes");
                assert_eq!(pair.give_client(&output), plaintext);
            }
        }
    }
}

#[test]
fn too_small_an_output_seals_nothing() {
    let mut pair = Pair::connect(&trust(TLS13));
    let plaintext = pattern(1000);
    let mut output = vec![0; pair.session.sealed_len(1000)];
    let short = output.len() - 1;
    let required_bytes = output.len();
    assert_eq!(
        pair.session.seal_into(&plaintext, &mut output[..short]),
        Err(SealError::OutputTooSmall { required_bytes })
    );
    assert_eq!(pair.session.seal_into(&plaintext, &mut output), Ok(required_bytes));
    assert_eq!(pair.give_client(&output), plaintext);
}

#[test]
fn second_connection_resumes() {
    for version in [TLS12, TLS13] {
        let trust = trust(version);
        let first = Pair::connect(&trust);
        assert!(!first.session.is_resumed());
        let mut second = Pair::connect(&trust);
        assert!(second.session.is_resumed(), "{version:?}");
        let mut records = Vec::new();
        second.session.seal(b"again", &mut records).unwrap();
        assert_eq!(second.give_client(&records), b"again");
    }
}

#[test]
fn key_update_asked_by_the_peer_is_answered() {
    let mut pair = Pair::connect(&trust(TLS13));
    for round in 0..5 {
        pair.client.refresh_traffic_keys().unwrap();
        pair.client.writer().write_all(b"ping").unwrap();
        let mut ciphertext = pair.sent_by_client();
        let reply = pair.receive(&mut ciphertext);
        pair.give_client(&reply);
        // An output without the slack is refused once; the data are not lost by it.
        let mut output = vec![0; pair.session.sealed_len(4)];
        let refused = pair.session.seal_into(b"pong", &mut output);
        assert!(matches!(refused, Err(SealError::OutputTooSmall { .. })), "round {round}");
        let mut output = vec![0; pair.session.sealed_len(4) + SEAL_SLACK_BYTES];
        let len = pair.session.seal_into(b"pong", &mut output).unwrap();
        assert_eq!(pair.give_client(&output[..len]), b"pong");
    }
    assert_eq!(pair.received, b"ping".repeat(5));
}

#[test]
fn close_notify_goes_both_ways() {
    for version in [TLS12, TLS13] {
        let mut pair = Pair::connect(&trust(version));
        pair.client.writer().write_all(b"last words").unwrap();
        pair.client.send_close_notify();
        let mut ciphertext = pair.sent_by_client();
        pair.receive(&mut ciphertext);
        assert_eq!(pair.received, b"last words");
        assert_eq!(pair.session.phase(), Phase::PeerClosed);
        let mut records = Vec::new();
        pair.session.seal(b"answer", &mut records).unwrap();
        pair.session.close(&mut records);
        assert_eq!(pair.session.phase(), Phase::Closed);
        assert_eq!(pair.session.seal(b"more", &mut records), Err(SealError::NotOpen));
        pair.give_client(&records);
        assert!(pair.client.process_new_packets().unwrap().peer_has_closed());
    }
}

#[test]
fn damaged_record_is_answered_by_an_alert() {
    for version in [TLS12, TLS13] {
        let mut pair = Pair::connect(&trust(version));
        pair.client.writer().write_all(b"hello").unwrap();
        let mut ciphertext = pair.sent_by_client();
        *ciphertext.last_mut().unwrap() ^= 1;
        let mut reply = Vec::new();
        let outcome = pair.session.receive(&mut ciphertext, &mut reply, |_| panic!("opened"));
        assert!(outcome.is_err());
        pair.client.read_tls(&mut Cursor::new(reply)).unwrap();
        let alert = pair.client.process_new_packets().unwrap_err();
        let expected = rustls::Error::AlertReceived(rustls::AlertDescription::BadRecordMac);
        assert_eq!(alert, expected);
        assert!(pair.session.receive(&mut [], &mut Vec::new(), |_| ()).is_err());
    }
}

#[test]
fn endless_unfinished_handshake_is_refused() {
    let trust = trust(TLS13);
    let mut session = Session::new(Arc::clone(&trust.server)).unwrap();
    // A ClientHello of 60,000 bytes that arrives one byte per record.
    let mut header = vec![22, 3, 1, 0, 4, 1, 0, 0xea, 0x60];
    let mut reply = Vec::new();
    session.receive(&mut header, &mut reply, |_| ()).unwrap();
    let mut records = [22, 3, 1, 0, 1, 3].repeat(1000);
    let error = (0..60)
        .find_map(|_| session.receive(&mut records.clone(), &mut reply, |_| ()).err())
        .expect("the session kept more than its limit");
    assert!(error.to_string().contains("unfinished"), "{error}");
    assert_eq!(reply[0], 21, "an alert");
    assert!(session.receive(&mut records, &mut reply, |_| ()).is_err());
}

fn check_fragments(version: &'static SupportedProtocolVersion, messages: &[usize], cuts: &[usize]) {
    let trust = trust(version);
    let mut pair = Pair::new(&trust);
    let mut cuts = cuts.iter().cycle();
    while pair.client.is_handshaking() || pair.session.is_handshaking() {
        let ciphertext = pair.sent_by_client();
        give_in_pieces(&mut pair, ciphertext, &mut cuts);
    }
    let mut sent = Vec::new();
    let mut ciphertext = Vec::new();
    for len in messages {
        let message = pattern(*len);
        pair.client.writer().write_all(&message).unwrap();
        ciphertext.extend(pair.sent_by_client());
        sent.extend(message);
    }
    give_in_pieces(&mut pair, ciphertext, &mut cuts);
    assert!(pair.received == sent, "plaintext differs for cuts {cuts:?}");
    assert_eq!(pair.session.incoming_len(), 0);
}

fn give_in_pieces<'a>(
    pair: &mut Pair,
    mut ciphertext: Vec<u8>,
    cuts: &mut impl Iterator<Item = &'a usize>,
) {
    let mut rest = &mut ciphertext[..];
    while !rest.is_empty() {
        let at = (*cuts.next().unwrap()).clamp(1, rest.len());
        let (piece, more) = rest.split_at_mut(at);
        let reply = pair.receive(piece);
        pair.give_client(&reply);
        rest = more;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_gives_the_same_plaintext(
        messages in prop::collection::vec(1usize..40_000, 1..5),
        cuts in prop::collection::vec(prop_oneof![1usize..20, 1usize..3000, 1usize..40_000], 1..40),
    ) {
        check_fragments(TLS13, &messages, &cuts);
        check_fragments(TLS12, &messages, &cuts);
    }

    #[test]
    fn garbage_never_panics_and_is_answered(
        data in prop::collection::vec(any::<u8>(), 0..600),
        framed in any::<bool>(),
        piece in 1usize..100,
    ) {
        let mut data = data;
        if framed && data.len() > 9 {
            let len = (data.len() - 5) as u16;
            data[..3].copy_from_slice(&[22, 3, 1]);
            data[3..5].copy_from_slice(&len.to_be_bytes());
            data[5..9].copy_from_slice(&[1, 0, ((len - 4) >> 8) as u8, (len - 4) as u8]);
        }
        let trust = trust(TLS13);
        let mut session = Session::new(Arc::clone(&trust.server)).unwrap();
        let mut reply = Vec::new();
        for piece in data.chunks_mut(piece) {
            if session.receive(piece, &mut reply, |_| ()).is_err() {
                prop_assert!(reply.len() >= 7 && reply[0] == 21, "no alert in {reply:?}");
                break;
            }
        }
    }
}

/// Talks to `serve` over loopback as a blocking rustls client.
async fn with_client<T: Send + 'static>(
    trust: &Trust,
    client: impl FnOnce(rustls::StreamOwned<ClientConnection, std::net::TcpStream>) -> T
    + Send
    + 'static,
    serve: impl AsyncFnOnce(tokio::net::TcpStream),
) -> T {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = Arc::clone(&trust.client);
    let task = tokio::task::spawn_blocking(move || {
        let socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let name = ServerName::try_from("media.example").unwrap();
        let connection = ClientConnection::new(config, name).unwrap();
        client(rustls::StreamOwned::new(connection, socket))
    });
    serve(listener.accept().await.unwrap().0).await;
    task.await.unwrap()
}

#[tokio::test]
async fn stream_carries_large_bodies_both_ways() {
    for version in [TLS12, TLS13] {
        let trust = trust(version);
        let config = Arc::clone(&trust.server);
        let body = pattern(3_000_000);
        let expected = body.clone();
        let echoed = with_client(
            &trust,
            move |mut stream| {
                stream.write_all(&body).unwrap();
                stream.conn.send_close_notify();
                stream.flush().unwrap();
                let mut echoed = Vec::new();
                stream.read_to_end(&mut echoed).unwrap();
                echoed
            },
            async |socket| {
                let mut stream = TlsStream::accept(config, socket).await.unwrap();
                let mut body = Vec::new();
                stream.read_to_end(&mut body).await.unwrap();
                assert!(stream.is_closed_by_peer());
                stream.write_all(&body).await.unwrap();
                stream.shutdown().await.unwrap();
            },
        )
        .await;
        assert!(echoed == expected);
    }
}

#[tokio::test]
async fn vectored_writes_keep_order_over_all_sizes() {
    let trust = trust(TLS13);
    let config = Arc::clone(&trust.server);
    let sizes = [9, 16_384, 0, 200, 1, 30_000, 8_191, 8_192, 8_193, 9, 70_000, 5, 5, 5, 16_379];
    let total = sizes.iter().sum::<usize>();
    let received = with_client(
        &trust,
        |mut stream| {
            let mut received = Vec::new();
            stream.read_to_end(&mut received).unwrap();
            received
        },
        async |socket| {
            let mut stream = TlsStream::accept(config, socket).await.unwrap();
            let body = pattern(total);
            let mut rest = &body[..];
            let parts: Vec<_> = sizes
                .iter()
                .map(|size| {
                    let (part, more) = rest.split_at(*size);
                    rest = more;
                    part
                })
                .collect();
            let mut written = 0;
            while written < total {
                let mut skip = written;
                let slices: Vec<_> = parts
                    .iter()
                    .map(|part| {
                        let from = skip.min(part.len());
                        skip -= from;
                        std::io::IoSlice::new(&part[from..])
                    })
                    .collect();
                written += stream.write_vectored(&slices).await.unwrap();
            }
            stream.shutdown().await.unwrap();
        },
    )
    .await;
    assert!(received == pattern(total));
}

#[tokio::test]
async fn stream_resumes_in_the_middle_of_a_record() {
    let trust = trust(TLS13);
    let config = Arc::clone(&trust.server);
    let answer = with_client(
        &trust,
        |mut stream| {
            stream.write_all(b"GET / HTTP/1.1\r\n").unwrap();
            stream.write_all(b"Host: media.example\r\n\r\n").unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).unwrap();
            answer
        },
        async |mut socket| {
            // The part of the fast lane: it drives the session itself, then hands over.
            let mut session = Session::new(config).unwrap();
            let mut plaintext = Vec::new();
            while plaintext.is_empty() {
                let mut ciphertext = [0; 7];
                let len = socket.read(&mut ciphertext).await.unwrap();
                let mut reply = Vec::new();
                session
                    .receive(&mut ciphertext[..len], &mut reply, |opened| plaintext.extend(opened))
                    .unwrap();
                socket.write_all(&reply).await.unwrap();
            }
            let mut leftover = [0; 9];
            socket.read_exact(&mut leftover).await.unwrap();
            let mut stream = TlsStream::resume(session, socket, &mut leftover, plaintext);
            let mut head = [0; 39];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(&head[..], b"GET / HTTP/1.1\r\nHost: media.example\r\n\r\n");
            stream.write_all(b"done").await.unwrap();
            stream.shutdown().await.unwrap();
        },
    )
    .await;
    assert_eq!(&answer, b"done");
}

#[tokio::test]
async fn plain_http_to_the_tls_port_gets_an_alert() {
    let trust = trust(TLS13);
    let (mut client, server) = tokio::io::duplex(4096);
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(TlsStream::accept(Arc::clone(&trust.server), server).await.is_err());
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[..5], [21, 3, 3, 0, 2]);
}

#[test]
fn both_sides_derive_the_same_channel_binding() {
    use rustls::crypto::aws_lc_rs::cipher_suite;
    for suite in [
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ] {
        let mut trust = trust_with(TLS13, |provider| provider.cipher_suites = vec![suite]);
        trust.speak_xmpp();
        let pair = Pair::connect(&trust);
        let label = b"EXPORTER-Channel-Binding";
        let expected = pair.client.export_keying_material([0; 32], label, Some(b"")).unwrap();
        assert_eq!(pair.session.exporter(), Some(&expected), "{suite:?}");
    }
    // Its exporter is safe only with extended master secrets (RFC 9266 4.2).
    let mut old = trust(TLS12);
    old.speak_xmpp();
    assert_eq!(Pair::connect(&old).session.exporter(), None);
    // Who speaks HTTP needs none.
    assert_eq!(Pair::connect(&trust(TLS13)).session.exporter(), None);
}
