//! Objects in a bucket of an S3-compatible store: `objects/<digest>`, and beside larger ones their
//! tree, `objects/<digest>.tree`.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{
    ClientOptions, MultipartUpload, ObjectStore, ObjectStoreExt, PutPayload, RetryConfig,
};
use tokio::runtime::Runtime;

use super::{RemoteObject, Staged};
use crate::error::IoContext;
use crate::{Digest, S3Config, StoreError};

/// Bytes of one part of a multipart upload, at least; S3 wants 5 MiB.
const PART_BYTES_MIN: u64 = 8 << 20;
/// Parts of one upload; S3 takes 10,000.
const PARTS_MAX: u64 = 9_000;
/// Parts of one upload on their way at the same time.
const PARTS_IN_FLIGHT_MAX: usize = 4;
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RETRIES_MAX: usize = 4;
/// Until when a request is tried again.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Keys asked of a listing at a time.
const LISTED_KEYS: usize = 256;
const OBJECTS_PREFIX: &str = "objects";
const TREE_SUFFIX: &str = ".tree";

pub(crate) struct S3Place {
    bucket: Arc<Bucket>,
}

/// The bucket and the threads that speak with it. They are the store's own, so that callers may be
/// on any thread that may block.
pub(super) struct Bucket {
    store: Arc<AmazonS3>,
    prefix: String,
    /// None only while it is being dropped.
    runtime: Option<Runtime>,
}

impl S3Place {
    pub(super) fn open(config: &S3Config) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("media-s3")
            .enable_all()
            .build()
            .at("start thread", "media-s3")?;
        let bucket = Bucket {
            store: Arc::new(client(config)?),
            prefix: config.prefix.clone(),
            runtime: Some(runtime),
        };
        Ok(Self { bucket: Arc::new(bucket) })
    }

    /// Puts the staged files into the bucket, which leaves them where they are.
    pub(super) fn publish(&self, digest: &Digest, staged: &Staged<'_>) -> Result<(), StoreError> {
        if let Some(tree) = staged.tree_path {
            let bytes = fs::read(tree).at("read", tree)?;
            self.bucket.put(self.bucket.tree_key(digest), bytes.into())?;
        }
        let key = self.bucket.key(digest);
        let file = File::open(staged.path).at("open", staged.path)?;
        let read = |offset, len: u64| {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, offset).at("read", staged.path)?;
            Ok(Bytes::from(bytes))
        };
        if staged.len <= PART_BYTES_MIN {
            return self.bucket.put(key, read(0, staged.len)?);
        }
        self.bucket.put_parts(key, staged.len, read)
    }

    pub(super) fn stored_len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let key = self.bucket.key(digest);
        let (store, asked) = (Arc::clone(&self.bucket.store), key.clone());
        match self.bucket.wait(async move { store.head(&asked).await })? {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(remote("ask for", &key, &error)),
        }
    }

    pub(super) fn tree_bytes(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let key = self.bucket.tree_key(digest);
        let (store, asked) = (Arc::clone(&self.bucket.store), key.clone());
        let got = self.bucket.wait(async move { store.get(&asked).await?.bytes().await })?;
        match got {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(remote("get", &key, &error)),
        }
    }

    pub(super) fn remove(&self, digest: &Digest) -> Result<(), StoreError> {
        self.bucket.delete(self.bucket.key(digest))?;
        self.bucket.delete(self.bucket.tree_key(digest))
    }

    pub(super) fn each(
        &self,
        visit: &mut dyn FnMut(Digest) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let prefix = self.bucket.key_of(OBJECTS_PREFIX);
        let mut pages = self.bucket.store.list(Some(&prefix)).chunks(LISTED_KEYS);
        loop {
            let (rest, page) = self.bucket.wait(async move {
                let page = pages.next().await;
                (pages, page)
            })?;
            pages = rest;
            let Some(page) = page else { return Ok(()) };
            for listed in page {
                let listed = listed.map_err(|error| remote("list", &prefix, &error))?;
                let name = listed.location.filename().unwrap_or_default();
                // Keys of other names are not ours.
                if let Ok(digest) = name.strip_suffix(TREE_SUFFIX).unwrap_or(name).parse() {
                    visit(digest)?;
                }
            }
        }
    }

    pub(super) fn object(&self, digest: &Digest, len: u64) -> RemoteObject {
        RemoteObject::in_bucket(Arc::clone(&self.bucket), *digest, len)
    }
}

impl Bucket {
    /// Reads `len` bytes from `offset`; they must be there.
    pub(super) fn read(&self, digest: &Digest, offset: u64, len: u64) -> Result<Bytes, StoreError> {
        let key = self.key(digest);
        let (store, asked) = (Arc::clone(&self.store), key.clone());
        match self.wait(async move { store.get_range(&asked, offset..offset + len).await })? {
            Ok(bytes) if bytes.len() as u64 == len => Ok(bytes),
            Ok(bytes) => Err(StoreError::Remote {
                doing: "read",
                key: key.to_string(),
                reason: format!("{} bytes came of {len} asked", bytes.len()),
            }),
            Err(object_store::Error::NotFound { .. }) => Err(StoreError::MissingBytes(*digest)),
            Err(error) => Err(remote("read", &key, &error)),
        }
    }

    fn put(&self, key: Key, bytes: Bytes) -> Result<(), StoreError> {
        let (store, to) = (Arc::clone(&self.store), key.clone());
        let put = self.wait(async move { store.put(&to, PutPayload::from_bytes(bytes)).await })?;
        put.map(drop).map_err(|error| remote("put", &key, &error))
    }

    fn delete(&self, key: Key) -> Result<(), StoreError> {
        let (store, gone) = (Arc::clone(&self.store), key.clone());
        match self.wait(async move { store.delete(&gone).await })? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(remote("delete", &key, &error)),
        }
    }

    /// Puts a large object; it is there only when all of it is.
    fn put_parts(
        &self,
        key: Key,
        len: u64,
        read: impl Fn(u64, u64) -> Result<Bytes, StoreError>,
    ) -> Result<(), StoreError> {
        let (store, to) = (Arc::clone(&self.store), key.clone());
        let begun = self.wait(async move { store.put_multipart(&to).await })?;
        let mut upload = begun.map_err(|error| remote("begin to put", &key, &error))?;
        let sent = self.send_parts(upload.as_mut(), &key, len, read);
        let ended = self.wait(async move {
            match sent {
                Ok(()) => Ok(upload.complete().await),
                Err(error) => {
                    // If this fails as well, the bucket's rule for unfinished uploads tidies.
                    let _ = upload.abort().await;
                    Err(error)
                }
            }
        })?;
        ended?.map(drop).map_err(|error| remote("complete", &key, &error))
    }

    fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        key: &Key,
        len: u64,
        read: impl Fn(u64, u64) -> Result<Bytes, StoreError>,
    ) -> Result<(), StoreError> {
        let part_bytes = PART_BYTES_MIN.max(len.div_ceil(PARTS_MAX));
        let mut in_flight: VecDeque<Answer<object_store::Result<()>>> = VecDeque::new();
        let mut offset = 0;
        while offset < len || !in_flight.is_empty() {
            if offset == len || in_flight.len() == PARTS_IN_FLIGHT_MAX {
                let oldest: Answer<_> = in_flight.pop_front().expect("a part is in flight");
                oldest.wait()?.map_err(|error| remote("put a part of", key, &error))?;
                continue;
            }
            let bytes = read(offset, part_bytes.min(len - offset))?;
            offset += bytes.len() as u64;
            in_flight.push_back(self.start(upload.put_part(PutPayload::from_bytes(bytes)))?);
        }
        Ok(())
    }

    fn key(&self, digest: &Digest) -> Key {
        self.key_of(&format!("{OBJECTS_PREFIX}/{digest}"))
    }

    fn tree_key(&self, digest: &Digest) -> Key {
        self.key_of(&format!("{OBJECTS_PREFIX}/{digest}{TREE_SUFFIX}"))
    }

    fn key_of(&self, name: &str) -> Key {
        Key::from(format!("{}/{name}", self.prefix))
    }

    fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.start(work)?.wait()
    }

    /// Runs `work` on the bucket's own threads, because `block_on` would forbid callers that are
    /// inside of another runtime.
    fn start<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Answer<T>, StoreError> {
        let (answer, waiting) = sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or_else(stopped)?;
        runtime.spawn(async move {
            // Who no longer waits needs no answer; the channel has room for it.
            let _ = answer.try_send(work.await);
        });
        Ok(Answer(waiting))
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        // A plain drop waits for the runtime's threads, which a runtime's own thread must not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The outcome of work on the bucket's threads.
struct Answer<T>(std::sync::mpsc::Receiver<T>);

impl<T> Answer<T> {
    fn wait(self) -> Result<T, StoreError> {
        self.0.recv().map_err(|_| stopped())
    }
}

fn client(config: &S3Config) -> Result<AmazonS3, StoreError> {
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&config.bucket)
        .with_region(&config.region)
        .with_virtual_hosted_style_request(config.virtual_hosted)
        .with_client_options(
            ClientOptions::new()
                .with_timeout(REQUEST_TIMEOUT)
                .with_connect_timeout(CONNECT_TIMEOUT)
                .with_allow_http(is_plain(config)),
        )
        .with_retry(RetryConfig {
            max_retries: RETRIES_MAX,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        });
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if let Some(id) = &config.access_key_id {
        builder = builder.with_access_key_id(id);
    }
    if let Some(path) = &config.secret_access_key_file {
        let secret = fs::read_to_string(path).at("read", path)?;
        builder = builder.with_secret_access_key(secret.trim());
    }
    builder.build().map_err(|error| StoreError::Config { key: "s3", reason: error.to_string() })
}

fn is_plain(config: &S3Config) -> bool {
    config.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"))
}

fn remote(doing: &'static str, key: &Key, error: &object_store::Error) -> StoreError {
    StoreError::Remote { doing, key: key.to_string(), reason: error.to_string() }
}

fn stopped() -> StoreError {
    StoreError::Remote {
        doing: "ask",
        key: String::new(),
        reason: "the store is being closed".into(),
    }
}
