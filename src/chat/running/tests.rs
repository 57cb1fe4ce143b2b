//! Threads that fail are started again: streams end, clients come back, and what was acknowledged
//! is there.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};

use chat_core::jid::AccountId;
use chat_core::transaction::Write;

use super::*;
use crate::chat::config::PlainOnLoopback;
use crate::chat::storage::DATABASE_FILE;

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    running: Running,
    address: SocketAddr,
    registry: Registry,
    health: Health,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (registry, health) = (Registry::new(), Health::new());
        let config =
            XmppConfig { plain_on_loopback: PlainOnLoopback::All, ..XmppConfig::default() };
        let running = start(ChatSetup {
            config: &config,
            verification: &VerificationConfig::default(),
            domain: "localhost",
            upload_bytes_max: 0,
            threads: 1,
            listeners: vec![listener],
            listeners_tls: Vec::new(),
            certificates: None,
            data_dir: folder.path(),
            database: folder.path().join(DATABASE_FILE),
            outward: None,
            calls: false,
            push: &PushConfig::default(),
            push_key: None,
            registry: &registry,
            health: health.clone(),
        });
        Self { running: running.unwrap(), address, registry, health, _folder: folder }
    }

    /// A client whose stream is open.
    async fn client(&self) -> TcpStream {
        let address = self.address;
        blocking(move || {
            let mut client = TcpStream::connect(address).unwrap();
            client.set_read_timeout(Some(PATIENCE)).unwrap();
            let opening = "<stream:stream xmlns='jabber:client' version='1.0' to='localhost' \
                           xmlns:stream='http://etherx.jabber.org/streams'>";
            client.write_all(opening.as_bytes()).unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"</stream:features>") {
                let mut bytes = [0; 4096];
                let count = client.read(&mut bytes).unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&heard));
                heard.extend_from_slice(&bytes[..count]);
            }
            client
        })
        .await
    }

    async fn create(&self, number: u64) -> Result<(), StorageError> {
        let account = AccountId::from_random(number);
        let create = Write::CreateAccount { account, number: None, created_unix_ms: 0 };
        self.running.ledger().write(account, vec![create], false).await
    }

    fn restarts(&self, part: &str) -> bool {
        let line = format!("whimbrel_part_restarts_total{{part=\"{part}\"}} 1\n");
        self.registry.render().contains(&line)
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// All that a client hears until its connection ends.
async fn last_words(mut client: TcpStream) -> String {
    blocking(move || {
        let mut heard = String::new();
        // Cut or closed, it ends.
        let _ = client.read_to_string(&mut heard);
        heard
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_core_that_fails_is_replaced() {
    let bench = Bench::start();
    bench.create(1).await.unwrap();
    let client = bench.client().await;
    bench.running.core.drill();
    let heard = last_words(client).await;
    assert!(heard.contains("<internal-server-error"), "{heard}");
    // Who was before it is there, and others can come.
    assert!(matches!(bench.create(1).await, Err(StorageError::Exists { .. })));
    bench.create(2).await.unwrap();
    bench.client().await;
    assert!(bench.restarts("chat core"));
    assert_eq!(bench.health.answer(), (200, "serving\n".to_owned()));
    bench.running.stop(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_thread_of_connections_that_fails_begins_anew() {
    let bench = Bench::start();
    let client = bench.client().await;
    bench.running.shards[0].drill();
    last_words(client).await;
    bench.client().await;
    assert!(bench.restarts("chat connections"));
    bench.running.stop(PATIENCE).await;
}
