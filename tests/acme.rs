//! The ACME client against a small authority of the tests' own, over loopback: alone, and as a part
//! of the server.

#[path = "acme/authority.rs"]
mod authority;
mod process;
#[path = "acme/served.rs"]
mod served;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use authority::{Authority, Plan};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use whimbrel::tls::{AcmeClient, Certificates, ChallengeTokens, Mode, Session, TlsConfig};

const NAME: &str = "media.example";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Its last third has begun: renewal is due at once.
const AGED: Plan = Plan::Issue { age: Duration::from_secs(80 * 24 * 3600) };
const FRESH: Plan = Plan::Issue { age: Duration::ZERO };

/// An edge whose certificates come from an authority.
struct Edge {
    folder: tempfile::TempDir,
    config: TlsConfig,
    tokens: ChallengeTokens,
    authority: Authority,
    certificates: Arc<Certificates>,
    server: Arc<ServerConfig>,
}

impl Edge {
    async fn start(plans: Vec<Plan>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tokens = ChallengeTokens::default();
        let port = answer_challenges(tokens.clone()).await;
        let authority = Authority::start(folder.path(), plans).await;
        authority.look_at(port);
        let config = TlsConfig {
            mode: Mode::Acme,
            contact: Some("admin@media.example".to_owned()),
            directory: authority.directory.clone(),
            ca_file: Some(authority.ca_file.clone()),
            ..TlsConfig::default()
        };
        config.validate(NAME).unwrap();
        let certificates = Certificates::open(&config, NAME, folder.path()).unwrap();
        let server = certificates.server_config().unwrap();
        Self { folder, config, tokens, authority, certificates, server }
    }

    fn client(&self) -> AcmeClient {
        AcmeClient::new(
            &self.config,
            NAME,
            self.folder.path(),
            Arc::clone(&self.certificates),
            self.tokens.clone(),
        )
        .unwrap()
    }

    /// The certificate that a client which trusts only the authority gets, if it accepts it.
    fn accepted_certificate(&self) -> Option<Vec<u8>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.authority.ca_file).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(NAME).unwrap();
        let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut session = Session::new(Arc::clone(&self.server)).unwrap();
        while client.is_handshaking() {
            let mut hello = Vec::new();
            client.write_tls(&mut hello).unwrap();
            let mut reply = Vec::new();
            session.receive(&mut hello, &mut reply, |_| ()).unwrap();
            client.read_tls(&mut &reply[..]).unwrap();
            client.process_new_packets().ok()?;
        }
        Some(client.peer_certificates()?[0].to_vec())
    }
}

/// The part of the edge that answers http-01, on a port of its own.
async fn answer_challenges(tokens: ChallengeTokens) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = vec![0; 2048];
            let len = socket.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..len]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let token = path.strip_prefix("/.well-known/acme-challenge/").unwrap_or_default();
            let answer = match tokens.get(token) {
                Some(body) => format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
                None => "HTTP/1.0 404 Not Found\r\n\r\n".to_owned(),
            };
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    port
}

fn check_due(client: &AcmeClient, from: Duration, to: Duration) {
    let wait = client.due().duration_since(SystemTime::now()).unwrap_or_default();
    assert!(
        wait + Duration::from_secs(60) > from && wait <= to,
        "{wait:?} is not {from:?}..{to:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_renews_and_waits_when_limited() {
    let limited = Plan::RateLimit { retry_after_s: 7_200 };
    let edge = Edge::start(vec![AGED, AGED, limited, FRESH]).await;
    assert_eq!(edge.accepted_certificate(), None, "a self-signed certificate serves at first");

    let mut client = edge.client();
    assert_eq!(client.step().await, Duration::ZERO);
    let first = edge.accepted_certificate().expect("the first certificate");
    assert_eq!(client.step().await, Duration::ZERO);
    let second = edge.accepted_certificate().expect("the renewed certificate");
    assert_ne!(first, second);

    assert!(client.step().await > Duration::ZERO);
    assert_eq!(edge.accepted_certificate(), Some(second), "the old one serves on");
    check_due(&client, Duration::from_secs(7_200), Duration::from_secs(9_000));
    client.step().await;
    assert_eq!(edge.authority.orders(), 3, "nothing is ordered before its time");

    // A new process takes up account and schedule from the disk.
    let mut client = edge.client();
    assert_eq!(client.step().await, Duration::from_secs(6 * 3600));
    check_due(&client, DAY * 60, DAY * 62);
    assert_eq!(edge.authority.accounts(), 1);
    check_due(&edge.client(), DAY * 60, DAY * 62);
    assert_eq!(edge.tokens.get("token-1"), None, "answered challenges are closed");

    #[cfg(unix)]
    for name in ["acme.pem", "acme-account.json"] {
        let metadata = std::fs::metadata(edge.folder.path().join("tls").join(name)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_ours_is_tried_ever_more_slowly() {
    let edge = Edge::start(vec![Plan::WrongHost, Plan::WrongHost]).await;
    let mut client = edge.client();
    client.step().await;
    check_due(&client, Duration::from_secs(60), Duration::from_secs(75));
    assert_eq!(edge.accepted_certificate(), None);
    assert_eq!(edge.authority.orders(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_account_is_made_anew() {
    let edge = Edge::start(vec![AGED, FRESH]).await;
    let mut client = edge.client();
    client.step().await;
    edge.authority.forget_accounts();
    client.step().await;
    check_due(&client, DAY * 60, DAY * 62);
    assert_eq!(edge.authority.orders(), 2);
}
