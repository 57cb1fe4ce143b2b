//! Access log: the combined format of NCSA's httpd, or one JSON object a line.
//!
//! A lane formats a line into a buffer of its own and never waits: full buffers go to a writer
//! thread over a bounded channel, and what the writer cannot keep up with is dropped and counted.
//! The writer also collects what lies in the buffers once a second.
//!
//! What a client sent is data, never markup: control characters, quotes and backslashes are
//! escaped, so a line cannot be forged.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;

use crate::telemetry::metrics::{Counter, Registry};

mod format;

/// A buffer is handed over when it holds this much.
const BUFFER_BYTES: usize = 64 << 10;
/// Full buffers that wait for the writer, of all lanes together.
const BUFFERS_WAITING_MAX: usize = 64;
/// How long a line lies in its lane's buffer at most.
const COLLECT_INTERVAL: Duration = Duration::from_secs(1);
/// Log files are readable by their owner and group.
const FILE_MODE: u32 = 0o640;

/// `[access_log]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLogConfig {
    /// Whether requests are logged.
    pub enabled: bool,
    /// A file, opened for appending and reopened on SIGHUP, or `stdout`.
    pub path: PathBuf,
    /// The form of a line.
    pub format: AccessLogFormat,
}

impl Default for AccessLogConfig {
    fn default() -> Self {
        Self { enabled: false, path: "stdout".into(), format: AccessLogFormat::Common }
    }
}

impl AccessLogConfig {
    /// Whether lines go to the standard output rather than to a file.
    pub fn is_stdout(&self) -> bool {
        self.path.as_os_str() == "stdout"
    }
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLogFormat {
    /// NCSA combined: the common log format, referer and user agent.
    Common,
    /// One JSON object, with duration, host, TLS and request id too.
    Json,
}

/// One answered request. Byte strings are as the client sent them.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// The client's address.
    pub peer: IpAddr,
    /// When the request's head was complete.
    pub time: SystemTime,
    /// The request's method.
    pub method: &'a [u8],
    /// The request's target.
    pub target: &'a [u8],
    /// `HTTP/1.1`, `HTTP/2.0` …
    pub version: &'static str,
    /// The answer's status.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub sent_bytes: u64,
    /// From the complete head to the last byte.
    pub duration: Duration,
    /// The `Referer` field.
    pub referer: Option<&'a [u8]>,
    /// The `User-Agent` field.
    pub user_agent: Option<&'a [u8]>,
    /// The host that was asked for.
    pub host: Option<&'a [u8]>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Names the request in the log lines too.
    pub request_id: u64,
}

impl Entry<'_> {
    /// Its line, newline included.
    pub fn line(&self, format: AccessLogFormat) -> Vec<u8> {
        let mut line = Vec::new();
        self.write(format, &mut format::Stamp::default(), &mut line);
        line
    }

    fn write(&self, format: AccessLogFormat, stamp: &mut format::Stamp, line: &mut Vec<u8>) {
        match format {
            AccessLogFormat::Common => format::combined(self, stamp, line),
            AccessLogFormat::Json => format::json(self, stamp, line),
        }
    }
}

/// The writer thread and what feeds it. Dropping it closes it.
pub struct AccessLog {
    shared: Arc<Shared>,
    buffers: SyncSender<Vec<u8>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl AccessLog {
    /// Opens the log and starts its writer.
    pub fn open(config: &AccessLogConfig, registry: &Registry) -> io::Result<Self> {
        let target = Target::open(config)?;
        let (buffers, received) = sync_channel(BUFFERS_WAITING_MAX);
        let shared = Arc::new(Shared {
            format: config.format,
            lanes: Mutex::default(),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            dropped: registry.counter(
                "whimbrel_access_log_dropped_bytes_total",
                "Bytes of access log that were dropped because its writer was behind or failed.",
                &[],
            ),
        });
        let writer = Writer { shared: shared.clone(), received, target, failing: false };
        let writer =
            std::thread::Builder::new().name("access-log".to_owned()).spawn(|| writer.run())?;
        Ok(Self { shared, buffers, writer: Mutex::new(Some(writer)) })
    }

    /// A sink for one lane.
    pub fn sink(&self) -> LogSink {
        let lane = Arc::new(Mutex::new(Lane::default()));
        self.shared.lanes().push(lane.clone());
        LogSink { lane, shared: self.shared.clone(), buffers: self.buffers.clone() }
    }

    /// Has the file opened anew within a second, so that a rotated one is let go.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::Release);
    }

    /// Writes out what the sinks hold, and ends the writer. What is recorded later is dropped.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::Release);
        // An empty buffer wakes the writer; when the channel is full it is awake.
        let _ = self.buffers.try_send(Vec::new());
        let writer = lock(&self.writer).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

/// Where one lane records its requests.
pub struct LogSink {
    lane: Arc<Mutex<Lane>>,
    shared: Arc<Shared>,
    buffers: SyncSender<Vec<u8>>,
}

impl LogSink {
    /// Formats `entry` into the lane's buffer. Never waits for the writer.
    pub fn record(&self, entry: &Entry) {
        let mut lane = lock(&self.lane);
        let Lane { buffer, stamp } = &mut *lane;
        entry.write(self.shared.format, stamp, buffer);
        if buffer.len() < BUFFER_BYTES {
            return;
        }
        // Sent under the lock, so that a lane's lines stay in order.
        match self.buffers.try_send(std::mem::take(buffer)) {
            Ok(()) => buffer.reserve(BUFFER_BYTES + BUFFER_BYTES / 8),
            Err(TrySendError::Full(mut full) | TrySendError::Disconnected(mut full)) => {
                self.shared.dropped.add(full.len() as u64);
                full.clear();
                *buffer = full;
            }
        }
    }
}

#[derive(Default)]
struct Lane {
    buffer: Vec<u8>,
    stamp: format::Stamp,
}

struct Shared {
    format: AccessLogFormat,
    lanes: Mutex<Vec<Arc<Mutex<Lane>>>>,
    reopen: AtomicBool,
    stop: AtomicBool,
    dropped: Counter,
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Vec<Arc<Mutex<Lane>>>> {
        lock(&self.lanes)
    }
}

struct Writer {
    shared: Arc<Shared>,
    received: Receiver<Vec<u8>>,
    target: Target,
    failing: bool,
}

impl Writer {
    fn run(mut self) {
        let mut collect_at = Instant::now() + COLLECT_INTERVAL;
        loop {
            let wait = collect_at.saturating_duration_since(Instant::now());
            match self.received.recv_timeout(wait) {
                Ok(buffer) => self.write(&buffer),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            let stop = self.shared.stop.load(Ordering::Acquire);
            if stop || Instant::now() >= collect_at {
                // What was recorded before the order belongs to the rotated file.
                let reopen = self.shared.reopen.swap(false, Ordering::AcqRel);
                self.collect();
                if reopen {
                    self.reopen();
                }
                collect_at = Instant::now() + COLLECT_INTERVAL;
            }
            if stop {
                return;
            }
        }
    }

    fn collect(&mut self) {
        let mut lanes = self.shared.lanes().clone();
        // The lane that a dropped sink leaves behind is emptied once more and forgotten.
        self.shared.lanes().retain(|lane| Arc::strong_count(lane) > 2);
        for lane in lanes.drain(..) {
            let mut waiting = Vec::new();
            {
                let mut lane = lock(&lane);
                // What the lane sent before comes first.
                waiting.extend(self.received.try_iter());
                waiting.push(std::mem::take(&mut lane.buffer));
            }
            for buffer in waiting {
                self.write(&buffer);
            }
        }
    }

    fn write(&mut self, buffer: &[u8]) {
        if buffer.is_empty() {
            return;
        }
        match self.target.write_all(buffer) {
            Ok(()) => self.failing = false,
            Err(error) => {
                self.shared.dropped.add(buffer.len() as u64);
                if !self.failing {
                    tracing::error!(%error, "the access log cannot be written; lines are dropped");
                }
                self.failing = true;
            }
        }
    }

    fn reopen(&mut self) {
        if let Target::File { path, .. } = &self.target {
            match Target::file(path) {
                Ok(target) => self.target = target,
                Err(error) => {
                    let path = path.display();
                    tracing::error!(%error, %path, "the access log stays on its old file");
                }
            }
        }
    }
}

enum Target {
    Stdout,
    File { path: PathBuf, file: File },
}

impl Target {
    fn open(config: &AccessLogConfig) -> io::Result<Self> {
        match config.is_stdout() {
            true => Ok(Self::Stdout),
            false => Self::file(&config.path),
        }
    }

    fn file(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
        Ok(Self::File { path: path.to_owned(), file })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(bytes)?;
                stdout.flush()
            }
            Self::File { file, .. } => file.write_all(bytes),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while it was held leaves at worst an unfinished line.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(target: &[u8]) -> Entry<'_> {
        Entry {
            peer: [192, 0, 2, 1].into(),
            time: SystemTime::UNIX_EPOCH,
            method: b"GET",
            target,
            version: "HTTP/1.1",
            status: 200,
            sent_bytes: 5,
            duration: Duration::from_micros(1500),
            referer: None,
            user_agent: None,
            host: None,
            tls: false,
            request_id: 1,
        }
    }

    fn config(path: PathBuf) -> AccessLogConfig {
        AccessLogConfig { enabled: true, path, format: AccessLogFormat::Common }
    }

    #[test]
    fn lines_of_a_sink_are_whole_and_in_order_when_the_log_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let log = AccessLog::open(&config(path.clone()), &Registry::new()).unwrap();
        let sink = log.sink();
        for number in 0..3000 {
            sink.record(&entry(format!("/{number}").as_bytes()));
        }
        drop(log);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 3000);
        for (number, line) in text.lines().enumerate() {
            assert!(line.contains(&format!("\"GET /{number} HTTP/1.1\" 200 5")), "{line}");
        }
    }

    #[test]
    fn a_rotated_file_is_let_go() {
        let folder = tempfile::tempdir().unwrap();
        let (path, rotated) = (folder.path().join("access.log"), folder.path().join("old.log"));
        let log = AccessLog::open(&config(path.clone()), &Registry::new()).unwrap();
        let sink = log.sink();
        std::fs::rename(&path, &rotated).unwrap();
        sink.record(&entry(b"/before"));
        log.reopen();
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        sink.record(&entry(b"/after"));
        drop(log);
        assert!(std::fs::read_to_string(rotated).unwrap().contains("/before"));
        assert!(std::fs::read_to_string(path).unwrap().contains("/after"));
    }

    #[test]
    fn what_the_writer_cannot_take_is_counted() {
        let registry = Registry::new();
        let shared = Arc::new(Shared {
            format: AccessLogFormat::Common,
            lanes: Mutex::default(),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            dropped: registry.counter("dropped_total", "", &[]),
        });
        // A writer that never reads.
        let (buffers, _received) = sync_channel(1);
        let sink = LogSink { lane: Arc::default(), shared: shared.clone(), buffers };
        for _ in 0..3000 {
            sink.record(&entry(b"/"));
        }
        assert!(shared.dropped.get() >= BUFFER_BYTES as u64);
    }
}
