//! What stands between a client and hyper on an HTTP/1 connection: each head is read by the fast
//! lane's parser first, and hyper gets one request at a time.
//!
//! hyper takes two equal lengths for one, forgets a `Content-Length` that stood beside
//! `Transfer-Encoding`, and has 400 for what RFC 9110 15.6.6 has 505. Behind the gate a head means
//! the same on every lane.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::shard::Connection;
use crate::edge::answer::{self, Content, Stays};
use crate::edge::conditional::format_date;
use crate::edge::http1::{self, Head};
use crate::edge::request::{Framing, Malformed, Request, Version};
use crate::edge::resource::Source;

/// How long a client may take to end its side, once ours has ended.
const LINGER: Duration = Duration::from_secs(2);

/// A client's stream, as hyper may see it.
#[derive(Debug)]
pub struct Gate<S> {
    stream: S,
    /// Bytes that came ahead of their turn: a head's beginning, or what follows a request.
    ahead: Vec<u8>,
    /// How much of `ahead` has passed.
    passed: usize,
    /// What is still to pass of the request that hyper reads; 0 where a head comes next.
    passing_bytes: u64,
    refused: Option<Malformed>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    /// A gate before a connection; `read_before` was read of it already.
    pub fn new(stream: S, read_before: Vec<u8>) -> Self {
        Self { stream, ahead: read_before, passed: 0, passing_bytes: 0, refused: None }
    }

    /// Ends a connection that hyper is done with: says what was wrong with a refused head, and
    /// waits for the client's end, so that no reset takes away what was said (RFC 9112 9.6).
    ///
    /// # Errors
    /// The socket's.
    pub async fn end(mut self, connection: &Connection) -> io::Result<()> {
        if let Some(malformed) = self.refused {
            self.stream.write_all(&refusal(malformed, connection)).await?;
        }
        self.stream.shutdown().await?;
        let mut discarded = [0; 1024];
        let rest =
            async { while self.stream.read(&mut discarded).await.is_ok_and(|len| len > 0) {} };
        let _ = timeout(LINGER, rest).await;
        Ok(())
    }

    /// Takes the gate down: the stream, and what came behind the last request.
    pub fn into_parts(mut self) -> (S, Vec<u8>) {
        self.ahead.drain(..self.passed);
        (self.stream, self.ahead)
    }

    /// Reads the head with which `bytes` begin, where it is whole.
    fn admit(&mut self, bytes: &[u8]) {
        match request_bytes(bytes) {
            Ok(len) => self.passing_bytes = len,
            Err(malformed) => self.refused = Some(malformed),
        }
    }

    /// Reads the next request's head in what came ahead.
    fn admit_ahead(&mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        self.admit(&ahead[self.passed..]);
        self.ahead = ahead;
    }

    /// Lets pass what came ahead and has its turn.
    fn pass_ahead(&mut self, output: &mut ReadBuf<'_>) {
        let waiting = &self.ahead[self.passed..];
        let len = waiting.len().min(output.remaining()).min(as_len(self.passing_bytes));
        output.put_slice(&waiting[..len]);
        self.passed += len;
        self.passing_bytes -= len as u64;
        if self.passed == self.ahead.len() {
            // Idle, a connection holds no buffer.
            (self.ahead, self.passed) = (Vec::new(), 0);
        }
    }

    /// Takes back from `output`, filled from `begin` on, what must not pass yet.
    fn hold_back(&mut self, output: &mut ReadBuf<'_>, begin: usize) {
        let came = &output.filled()[begin..];
        let passes = came.len().min(as_len(self.passing_bytes));
        self.ahead.drain(..std::mem::take(&mut self.passed));
        self.ahead.extend_from_slice(&came[passes..]);
        output.set_filled(begin + passes);
        self.passing_bytes -= passes as u64;
    }
}

/// The length of the request at the beginning of `bytes`, content included; 0 while its head is
/// not whole.
fn request_bytes(bytes: &[u8]) -> Result<u64, Malformed> {
    let Head::Complete { request, head_len } = http1::parse(bytes)? else { return Ok(0) };
    Ok(match request.framing {
        Framing::None => head_len as u64,
        Framing::Length(content) => content.saturating_add(head_len as u64),
        // The connection ends behind the answer, so whatever follows is no head.
        Framing::Chunked => u64::MAX,
    })
}

fn as_len(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// Answers what is no request, for the client and for the books.
fn refusal(malformed: Malformed, connection: &Connection) -> Vec<u8> {
    let shard = &connection.shard;
    let answer = answer::malformed(malformed);
    let date = format_date(super::respond::unix_s());
    let extra = shard.origin().extra.lines(connection.tls);
    let mut bytes = Vec::new();
    answer.write_http1_head(Stays::Closes, date.as_bytes(), &extra, &mut bytes);
    if let Content::Part(Source::Memory(content), _) = &answer.content {
        bytes.extend_from_slice(content);
    }
    if let Ok(request) = Request::new("-", "/", Version::Http10) {
        let mut observer = shard.observer.borrow_mut();
        let (now, facts) = (Instant::now(), (answer.status, answer.content.len()));
        let record = observer.begin(&request, connection.peer, connection.tls, now, facts);
        observer.end(record, now, 0);
    }
    bytes
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    /// A refused head is the end to hyper: it says what it still has to say, and is done.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        output: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let begin = output.filled().len();
        loop {
            if this.passing_bytes == 0 && !this.ahead.is_empty() {
                this.admit_ahead();
            }
            if this.refused.is_some() {
                return Poll::Ready(Ok(()));
            }
            if this.passing_bytes > 0 && !this.ahead.is_empty() {
                this.pass_ahead(output);
                return Poll::Ready(Ok(()));
            }
            ready!(Pin::new(&mut this.stream).poll_read(context, output))?;
            if output.filled().len() == begin {
                return Poll::Ready(Ok(()));
            }
            // Most heads come whole and alone, and pass where they lie.
            if this.passing_bytes == 0 && this.ahead.is_empty() {
                this.admit(&output.filled()[begin..]);
            }
            this.hold_back(output, begin);
            if output.filled().len() > begin {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// The stream ends in [`Gate::end`], behind what is still to be said.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which requests pass, each in reads of its own, and the status that ends them, whatever the
    /// pieces in which `sent` comes.
    fn check(sent: &str, expected: &[&str], refused: Option<u16>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for piece_len in [1, 2, 3, 7, 50, 1000] {
            let passed = runtime.block_on(pass(sent, piece_len));
            let expected = (expected.iter().map(|text| (*text).to_owned()).collect(), refused);
            assert_eq!(passed, expected, "in pieces of {piece_len}");
        }
    }

    async fn pass(sent: &str, piece_len: usize) -> (Vec<String>, Option<u16>) {
        let (mut client, server) = tokio::io::duplex(piece_len);
        let send = async {
            // Behind a refusal nobody reads on.
            let _ = client.write_all(sent.as_bytes()).await;
            let _ = client.shutdown().await;
            std::future::pending::<()>().await;
        };
        let receive = async {
            let mut gate = Gate::new(server, Vec::new());
            let mut requests = vec![String::new()];
            let mut read = [0; 64];
            loop {
                let len = gate.read(&mut read).await.unwrap();
                if len == 0 {
                    break;
                }
                requests.last_mut().unwrap().push_str(std::str::from_utf8(&read[..len]).unwrap());
                if gate.passing_bytes == 0 {
                    requests.push(String::new());
                }
            }
            requests.retain(|request| !request.is_empty());
            (requests, gate.refused.map(|malformed| malformed.status))
        };
        tokio::select! {
            passed = receive => passed,
            () = send => unreachable!("it waits"),
        }
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";

    #[test]
    fn one_request_passes_at_a_time() {
        check(&[GET, POST, POST, GET].concat(), &[GET, POST, POST, GET], None);
    }

    #[test]
    fn a_cut_head_does_not_pass() {
        check(&[GET, "GET / HTTP"].concat(), &[GET], None);
        check("", &[], None);
    }

    #[test]
    fn cut_content_passes() {
        check(&POST[..POST.len() - 1], &[&POST[..POST.len() - 1]], None);
    }

    #[test]
    fn a_later_head_is_refused_like_a_first_one() {
        let two_lengths = POST.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\n");
        check(&[GET, &two_lengths, GET].concat(), &[GET], Some(400));
        let version = GET.replace("1.1", "1.2");
        check(&[POST, &version, GET].concat(), &[POST], Some(505));
    }

    #[test]
    fn chunks_pass_unread() {
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let sent = [GET, chunked, "0\r\n\r\n", "no head"].concat();
        check(&sent, &[GET, &sent[GET.len()..]], None);
    }
}
