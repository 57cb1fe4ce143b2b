//! Runs HTTP/2 streams' futures for hyper.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;

use super::shard::Connection;
use super::vitals::{Phase, Watched};

/// Runs the streams of one connection on its thread.
#[derive(Clone)]
pub struct Streams(pub Rc<Connection>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + 'static,
{
    /// A stream is polled once at once: most answers are ready then, and need no task. Else the
    /// task polls anew, so the waker that does nothing is never relied on.
    fn execute(&self, stream: F) {
        let connection = &self.0;
        let shard = &connection.shard;
        let begun = connection.next_stream.take();
        let vitals = begun.unwrap_or_else(|| shard.watch.begin(Phase::Busy));
        let mut stream = Watched::new(Box::pin(stream), vitals);
        let mut context = Context::from_waker(Waker::noop());
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut stream).poll(&mut context))) {
            Ok(Poll::Ready(_)) => {}
            Ok(Poll::Pending) => spawn(Rc::clone(connection), stream),
            Err(_) => shard.observer.borrow_mut().metrics.panics.inc(),
        }
    }
}

fn spawn<F: Future + Unpin + 'static>(connection: Rc<Connection>, stream: Watched<F>) {
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
