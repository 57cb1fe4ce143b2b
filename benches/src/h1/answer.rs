//! HTTP/1.1 answers as a byte stream, RFC 9112: head, then a body by length, chunks or close.

use crate::load::ranges::parse_total;

/// Reads one answer after the other from what the connection receives.
#[derive(Debug, Default)]
pub struct AnswerReader {
    state: State,
    /// A head (or chunk line) that has not come whole yet.
    partial: Vec<u8>,
    head: Head,
    body_bytes: u64,
}

/// A whole answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body_bytes: u64,
    /// The connection may carry another request.
    pub keep_alive: bool,
    /// The object's size, where the answer is a range of it.
    pub range_total: Option<u64>,
}

/// What `feed` made of its input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub consumed: usize,
    /// Body bytes among them.
    pub body_bytes: usize,
    pub answer: Option<Answer>,
}

/// The stream is not HTTP/1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("head: {0}")]
    Head(#[from] httparse::Error),
    #[error("a head of more than {HEAD_BYTES_MAX} bytes")]
    HeadTooLong,
    #[error("Content-Length is no number")]
    Length,
    #[error("a malformed chunk")]
    Chunk,
    #[error("closed inside an answer")]
    Cut,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Length(u64),
    UntilClose,
    ChunkLine,
    ChunkData(u64),
    ChunkEnd,
    Trailer,
}

#[derive(Debug, Default, Clone, Copy)]
struct Head {
    status: u16,
    keep_alive: bool,
    range_total: Option<u64>,
}

enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

impl AnswerReader {
    /// Takes bytes up to the end of the present answer at most.
    ///
    /// # Errors
    /// The stream is malformed; the connection is of no more use.
    pub fn feed(&mut self, input: &[u8]) -> Result<Progress, AnswerError> {
        let mut progress = Progress::default();
        loop {
            let rest = &input[progress.consumed..];
            if rest.is_empty() {
                return Ok(progress);
            }
            match self.state {
                State::Head => progress.consumed += self.feed_head(rest)?,
                State::Length(left) | State::ChunkData(left) => {
                    let taken = self.take_body(left, rest.len());
                    progress.consumed += taken;
                    progress.body_bytes += taken;
                }
                State::UntilClose => {
                    self.body_bytes += rest.len() as u64;
                    progress.consumed += rest.len();
                    progress.body_bytes += rest.len();
                }
                State::ChunkLine | State::ChunkEnd | State::Trailer => {
                    progress.consumed += self.feed_line(rest)?;
                }
            }
            if self.state == State::Length(0) {
                progress.answer = Some(self.finish());
                return Ok(progress);
            }
        }
    }

    /// Bytes of a body of known length that are still to come; they may be discarded unread.
    pub fn body_left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            _ => None,
        }
    }

    /// Counts `bytes` (at most `body_left`) that were discarded unread.
    pub fn skip(&mut self, bytes: usize) -> Option<Answer> {
        let State::Length(left) = self.state else { return None };
        self.take_body(left, bytes);
        (self.state == State::Length(0)).then(|| self.finish())
    }

    /// The peer has closed: the end of an answer without length, else an error inside one.
    ///
    /// # Errors
    /// `Cut`, unless between answers or at the end of one.
    pub fn end(&mut self) -> Result<Option<Answer>, AnswerError> {
        match self.state {
            State::UntilClose => Ok(Some(Answer { keep_alive: false, ..self.finish() })),
            State::Head if self.partial.is_empty() => Ok(None),
            _ => Err(AnswerError::Cut),
        }
    }

    fn feed_head(&mut self, input: &[u8]) -> Result<usize, AnswerError> {
        if self.partial.is_empty() {
            if let Some(used) = self.parse_head(input)? {
                return Ok(used);
            }
            self.partial.extend_from_slice(input);
        } else {
            let kept = self.partial.len();
            self.partial.extend_from_slice(input);
            let whole = std::mem::take(&mut self.partial);
            if let Some(used) = self.parse_head(&whole)? {
                return Ok(used - kept);
            }
            self.partial = whole;
        }
        if self.partial.len() > HEAD_BYTES_MAX {
            return Err(AnswerError::HeadTooLong);
        }
        Ok(input.len())
    }

    fn parse_head(&mut self, input: &[u8]) -> Result<Option<usize>, AnswerError> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(used) = response.parse(input)? else { return Ok(None) };
        let status = response.code.unwrap_or(0);
        // Interim answers (RFC 9110 15.2) come before the one that counts.
        if (100..200).contains(&status) {
            return Ok(Some(used));
        }
        let mut framing = Framing::UntilClose;
        self.head = Head { status, keep_alive: response.version == Some(1), range_total: None };
        for header in response.headers.iter() {
            self.note_header(header, &mut framing)?;
        }
        if matches!(status, 204 | 304) {
            framing = Framing::Length(0);
        }
        self.body_bytes = 0;
        self.state = match framing {
            Framing::Length(bytes) => State::Length(bytes),
            Framing::Chunked => State::ChunkLine,
            Framing::UntilClose => State::UntilClose,
        };
        Ok(Some(used))
    }

    fn note_header(
        &mut self,
        header: &httparse::Header<'_>,
        framing: &mut Framing,
    ) -> Result<(), AnswerError> {
        let value = header.value;
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(value).map_err(|_| AnswerError::Length)?;
            if !matches!(framing, Framing::Chunked) {
                *framing = Framing::Length(text.trim().parse().map_err(|_| AnswerError::Length)?);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            *framing = Framing::Chunked;
        } else if header.name.eq_ignore_ascii_case("connection") {
            if value.eq_ignore_ascii_case(b"close") {
                self.head.keep_alive = false;
            } else if value.eq_ignore_ascii_case(b"keep-alive") {
                self.head.keep_alive = true;
            }
        } else if header.name.eq_ignore_ascii_case("content-range") {
            self.head.range_total = parse_total(value);
        }
        Ok(())
    }

    fn take_body(&mut self, left: u64, available: usize) -> usize {
        let taken = usize::try_from(left).unwrap_or(usize::MAX).min(available);
        let rest = left - taken as u64;
        self.body_bytes += taken as u64;
        self.state = match self.state {
            State::ChunkData(_) if rest == 0 => State::ChunkEnd,
            State::ChunkData(_) => State::ChunkData(rest),
            _ => State::Length(rest),
        };
        taken
    }

    /// Chunk sizes, the line end behind a chunk, and trailers: all are lines.
    fn feed_line(&mut self, input: &[u8]) -> Result<usize, AnswerError> {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            self.partial.extend_from_slice(input);
            if self.partial.len() > HEAD_BYTES_MAX {
                return Err(AnswerError::Chunk);
            }
            return Ok(input.len());
        };
        self.partial.extend_from_slice(&input[..end]);
        let line = std::mem::take(&mut self.partial);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        self.state = match self.state {
            State::ChunkEnd if line.is_empty() => State::ChunkLine,
            State::ChunkEnd => return Err(AnswerError::Chunk),
            State::Trailer if line.is_empty() => State::Length(0),
            State::Trailer => State::Trailer,
            _ => match parse_chunk_size(line).ok_or(AnswerError::Chunk)? {
                0 => State::Trailer,
                bytes => State::ChunkData(bytes),
            },
        };
        Ok(end + 1)
    }

    fn finish(&mut self) -> Answer {
        let Head { status, keep_alive, range_total } = self.head;
        let answer = Answer { status, body_bytes: self.body_bytes, keep_alive, range_total };
        self.state = State::Head;
        answer
    }
}

fn parse_chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?.trim(), 16).ok()
}

const HEAD_BYTES_MAX: usize = 64 * 1024;
const HEADERS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `stream` in pieces of each size, and compares (status, body length) of the answers.
    fn check(stream: &str, closes: bool, expected: &[(u16, u64)]) {
        for piece in 1..=stream.len() {
            let seen = read_in_pieces(stream.as_bytes(), piece, closes);
            assert_eq!(seen.as_deref(), Ok(expected), "in pieces of {piece}");
        }
    }

    fn check_refused(stream: &str) {
        for piece in 1..=stream.len() {
            assert!(read_in_pieces(stream.as_bytes(), piece, true).is_err(), "{stream:?}");
        }
    }

    fn read_in_pieces(
        stream: &[u8],
        piece: usize,
        closes: bool,
    ) -> Result<Vec<(u16, u64)>, AnswerError> {
        let (mut reader, mut answers) = (AnswerReader::default(), Vec::new());
        for mut input in stream.chunks(piece) {
            while !input.is_empty() {
                let progress = reader.feed(input)?;
                input = &input[progress.consumed..];
                answers.extend(progress.answer);
            }
        }
        if closes {
            answers.extend(reader.end()?);
        }
        Ok(answers.iter().map(|answer| (answer.status, answer.body_bytes)).collect())
    }

    #[test]
    fn by_length() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, &[(200, 5)]);
        check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, &[(200, 0)]);
        check("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false, &[(304, 0)]);
    }

    #[test]
    fn several_in_one_stream() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        check(&answer.repeat(3), false, &[(200, 2); 3]);
        check(&format!("HTTP/1.1 100 Continue\r\n\r\n{answer}"), false, &[(200, 2)]);
    }

    #[test]
    fn by_chunks() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(&format!("{head}3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n"), false, &[(200, 13)]);
        check(&format!("{head}1\r\na\r\n0\r\nTrailer: x\r\n\r\n"), false, &[(200, 1)]);
        check_refused(&format!("{head}3\r\nabcd\r\n"));
        check_refused(&format!("{head}zz\r\n"));
    }

    #[test]
    fn by_close() {
        check("HTTP/1.0 200 OK\r\n\r\nabc", true, &[(200, 3)]);
        check_refused("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        check_refused("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
        check_refused("SSH-2.0-x\r\n");
    }

    #[test]
    fn what_is_discarded_counts() {
        let mut reader = AnswerReader::default();
        let head = b"HTTP/1.1 206 P\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/77\r\n\r\nab";
        assert_eq!(reader.feed(head).unwrap().answer, None);
        assert_eq!(reader.body_left(), Some(8));
        assert_eq!(reader.skip(7), None);
        let answer = reader.skip(1).unwrap();
        assert_eq!((answer.body_bytes, answer.range_total), (10, Some(77)));
        assert!(answer.keep_alive);
    }
}
