//! The threads that read: a few connections, one bounded queue.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::OpenError;
use super::metrics::StorageMetrics;
use super::reader::Reader;

/// Questions that may wait for a thread; who asks later waits to enter.
pub(super) const QUESTIONS_WAITING_MAX: usize = 1024;
/// More would wait for the same disk.
pub(super) const READERS_MAX: usize = 4;

type Question = Box<dyn FnOnce(&mut Reader) + Send>;

pub(super) struct Readers {
    /// None only while the threads are being ended.
    questions: Option<SyncSender<Question>>,
    threads: Vec<JoinHandle<()>>,
    metrics: StorageMetrics,
}

impl Readers {
    pub fn start(path: &Path, metrics: &StorageMetrics) -> Result<Self, OpenError> {
        let (questions, asked) = sync_channel(QUESTIONS_WAITING_MAX);
        let asked = Arc::new(Mutex::new(asked));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (0..threads.clamp(1, READERS_MAX)).map(|_| {
            let (reader, asked, metrics) = (Reader::open(path)?, asked.clone(), metrics.clone());
            std::thread::Builder::new()
                .name("chat-reader".to_owned())
                .spawn(move || answer_all(reader, &asked, &metrics))
                .map_err(OpenError::io(path))
        });
        let threads = threads.collect::<Result<_, _>>()?;
        Ok(Self { questions: Some(questions), threads, metrics: metrics.clone() })
    }

    /// Has a thread do this; waits while too many wait. Nothing is done once the storage ends.
    pub fn ask(&self, question: impl FnOnce(&mut Reader) + Send + 'static) {
        self.metrics.queries_waiting.inc();
        let sent = self.questions.as_ref().map(|questions| questions.send(Box::new(question)));
        if !matches!(sent, Some(Ok(()))) {
            self.metrics.queries_waiting.dec();
        }
    }

    /// Like [`Self::ask`] without waiting. Says whether it will be done.
    pub fn try_ask(&self, question: impl FnOnce(&mut Reader) + Send + 'static) -> bool {
        self.metrics.queries_waiting.inc();
        let sent = self.questions.as_ref().map(|questions| questions.try_send(Box::new(question)));
        match sent {
            Some(Ok(())) => true,
            Some(Err(TrySendError::Full(_) | TrySendError::Disconnected(_))) | None => {
                self.metrics.queries_waiting.dec();
                false
            }
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.questions = None;
        for thread in self.threads.drain(..) {
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a reader of the chats panicked");
            }
        }
    }
}

fn answer_all(mut reader: Reader, asked: &Mutex<Receiver<Question>>, metrics: &StorageMetrics) {
    loop {
        let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = next else { return };
        metrics.queries_waiting.dec();
        let begun = Instant::now();
        question(&mut reader);
        metrics.queries.inc();
        metrics.query_time.observe(begun.elapsed());
    }
}
