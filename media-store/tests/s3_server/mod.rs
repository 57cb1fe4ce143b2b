//! A real S3 server (s3s-fs) in this process.

#![allow(dead_code, reason = "each test uses a part")]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use media_store::{Digest, PlaceKind, S3Config, StoreConfig};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;

const BUCKET: &str = "media";
const PREFIX: &str = "whimbrel";

/// An S3 server with one bucket; it ends when it is dropped.
pub struct S3Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

impl S3Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        fs::write(folder.path().join("secret"), "secret\n").unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", "secret"));
        let service = service.build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let counted = connections.clone();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, counted) = (service.clone(), counted.clone());
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                    counted.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { folder, address, connections, _runtime: runtime }
    }

    /// Waits until it is done with what its clients had asked before they ended.
    pub fn settle(&self) {
        while self.connections.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the bucket's objects are.
    pub fn bucket(&self) -> PathBuf {
        self.folder.path().join(BUCKET).join(PREFIX)
    }

    pub fn secret(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    pub fn config(&self) -> StoreConfig {
        config(&self.endpoint(), self.secret())
    }

    /// The names in the bucket's folder of objects.
    pub fn names(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.bucket().join("objects")) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.bucket().join("objects").join(digest.to_string())
    }
}

/// A store in the bucket of the server at `endpoint`.
pub fn config(endpoint: &str, secret: PathBuf) -> StoreConfig {
    StoreConfig {
        place: PlaceKind::S3,
        s3: Some(S3Config {
            endpoint: Some(endpoint.to_owned()),
            bucket: BUCKET.into(),
            region: "us-east-1".into(),
            prefix: PREFIX.into(),
            access_key_id: Some("key".into()),
            secret_access_key_file: Some(secret),
            virtual_hosted: false,
        }),
        grace_hours: 1,
        ..StoreConfig::default()
    }
}
