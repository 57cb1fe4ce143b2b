//! Runs HTTP/2 streams' futures for hyper.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;

use super::shard::Connection;
use super::vitals::{Phase, Watched};

/// Runs the streams of one connection on its thread.
///
/// They begin together, once all that came has been read: hyper reads and sends anew before each
/// request that it takes, so streams that began one by one would each be sent by themselves.
#[derive(Clone)]
pub struct Streams {
    connection: Rc<Connection>,
    handed_over: Rc<RefCell<Vec<Stream>>>,
}

type Stream = Watched<Pin<Box<dyn Future<Output = ()>>>>;

impl Streams {
    /// Streams of a connection, none yet.
    pub fn new(connection: Rc<Connection>) -> Self {
        Self { connection, handed_over: Rc::default() }
    }

    /// Begins those that hyper has handed over; tells whether there were any.
    ///
    /// A stream is polled once at once: most answers are ready then, and need no task. Else the
    /// task polls anew, so the waker that does nothing is never relied on.
    pub fn begin(&self) -> bool {
        let handed_over = self.handed_over.take();
        let any = !handed_over.is_empty();
        for mut stream in handed_over {
            let mut context = Context::from_waker(Waker::noop());
            match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut stream).poll(&mut context))) {
                Ok(Poll::Ready(_)) => {}
                Ok(Poll::Pending) => spawn(Rc::clone(&self.connection), stream),
                Err(_) => self.connection.shard.observer.borrow_mut().metrics.panics.inc(),
            }
        }
        any
    }
}

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, stream: F) {
        let connection = &self.connection;
        let noted = connection.next_stream.take();
        let vitals = noted.unwrap_or_else(|| connection.shard.watch.begin(Phase::Busy));
        self.handed_over.borrow_mut().push(Watched::new(Box::pin(stream), vitals));
    }
}

fn spawn(connection: Rc<Connection>, stream: Stream) {
    tokio::task::spawn_local(async move {
        let outcome = AssertUnwindSafe(stream).catch_unwind().await;
        let mut observer = connection.shard.observer.borrow_mut();
        match outcome {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => observer.metrics.timed_out.inc(),
            Err(_) => observer.metrics.panics.inc(),
        }
    });
}
