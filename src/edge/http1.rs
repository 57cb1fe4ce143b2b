//! HTTP/1 request heads (RFC 9112) read in place, with limits on line, size and count.

use httparse::Status;

use super::request::{Malformed, Request, Version};

/// The longest request line without its end, in bytes; above it 414.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;
/// The longest head, request line included, in bytes; above it 431.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// The most header lines; above it 431.
pub const FIELDS_MAX: usize = 100;

/// A head that may still be growing.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack, for one request")]
pub enum Head<'b> {
    /// More bytes are needed.
    Partial,
    /// A whole head; the rest of the buffer follows it.
    Complete {
        /// Its facts.
        request: Request<'b>,
        /// Its length, in bytes.
        head_len: usize,
    },
}

/// Reads the head at the beginning of `bytes`.
///
/// Errors: 400 (syntax, Host, framing), 414 (line too long), 431 (head too large, too many
/// fields), 417, 501, 505.
pub fn parse(bytes: &[u8]) -> Result<Head<'_>, Malformed> {
    let mut fields = [const { std::mem::MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut []);
    // Bare LF, folded lines and space before the colon are refused or harmless by httparse's
    // default; what is left of smuggling is refused by `Request::finish`.
    match head.parse_with_uninit_headers(bytes, &mut fields) {
        Ok(Status::Complete(head_len)) => {
            complete(&head, head_len).map(|request| Head::Complete { request, head_len })
        }
        Ok(Status::Partial) => grow(bytes),
        Err(error) => Err(syntax(error, bytes)),
    }
}

fn complete<'b>(
    head: &httparse::Request<'_, 'b>,
    head_len: usize,
) -> Result<Request<'b>, Malformed> {
    if head_len > HEAD_BYTES_MAX {
        return Err(HEAD_TOO_LARGE);
    }
    let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version) else {
        return Err(Malformed::bad("the request line is malformed"));
    };
    check_line(method, target)?;
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let mut request = Request::new(method, target, version)?;
    for field in head.headers.iter() {
        request.field(field.name, field.value.trim_ascii())?;
    }
    request.finish()
}

/// Checks the length of the line `method target HTTP/1.x`.
///
/// # Errors
/// 414.
pub fn check_line(method: &str, target: &str) -> Result<(), Malformed> {
    let spaces_and_version = "  HTTP/1.x".len();
    match method.len() + target.len() + spaces_and_version {
        ..=REQUEST_LINE_BYTES_MAX => Ok(()),
        _ => Err(LINE_TOO_LONG),
    }
}

/// Is the unfinished head still within its limits? They are those of [`complete`], so that a head
/// means the same in pieces.
fn grow(bytes: &[u8]) -> Result<Head<'_>, Malformed> {
    // RFC 9112 2.2 lets empty lines stand before the request line.
    let begin = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    let mut lines = bytes[begin.unwrap_or(bytes.len())..].split(|byte| *byte == b'\n');
    let line = lines.next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > REQUEST_LINE_BYTES_MAX {
        Err(LINE_TOO_LONG)
    } else if bytes.len() >= HEAD_BYTES_MAX {
        Err(HEAD_TOO_LARGE)
    } else {
        Ok(Head::Partial)
    }
}

fn syntax(error: httparse::Error, bytes: &[u8]) -> Malformed {
    match error {
        httparse::Error::TooManyHeaders => {
            Malformed { status: 431, reason: "too many header fields" }
        }
        // `HTTP/2.0` and later ask for a version; anything else is no HTTP at all.
        httparse::Error::Version if asks_other_version(bytes) => {
            Malformed { status: 505, reason: "HTTP version is not 1.0 or 1.1" }
        }
        httparse::Error::Version => Malformed::bad("the request line is malformed"),
        httparse::Error::HeaderName => Malformed::bad("a header's name is malformed"),
        httparse::Error::HeaderValue => Malformed::bad("a header's value is malformed"),
        httparse::Error::NewLine => Malformed::bad("a line's end is malformed"),
        _ => Malformed::bad("the request line is malformed"),
    }
}

fn asks_other_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let version = line.and_then(|line| line.trim_ascii().rsplit(|byte| *byte == b' ').next());
    version.is_some_and(|version| {
        let is_version =
            version.len() == 8 && version.starts_with(b"HTTP/") && version[5].is_ascii_digit();
        // A line that names 1.0 or 1.1 has its mistake before that.
        is_version && !matches!(version, b"HTTP/1.0" | b"HTTP/1.1")
    })
}

const LINE_TOO_LONG: Malformed = Malformed { status: 414, reason: "the request line is too long" };
const HEAD_TOO_LARGE: Malformed = Malformed { status: 431, reason: "the head is too large" };

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<&str, u16>) {
        let got = match parse(head.as_bytes()) {
            Ok(Head::Complete { request, .. }) => Ok(request.path),
            Ok(Head::Partial) => Ok("partial"),
            Err(error) => Err(error.status),
        };
        assert_eq!(got, expected, "{:?}", &head[..head.len().min(80)]);
    }

    #[test]
    fn heads() {
        check("GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", Ok("/a"));
        check("\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", Ok("/a"));
        check("GET /a HTTP/1.0\r\n\r\n", Ok("/a"));
        check("GET /a HTTP/1.1\r\nHost:", Ok("partial"));
        check("", Ok("partial"));
    }

    #[test]
    fn malformed_heads() {
        check("GET /a HTTP/2.0\r\n\r\n", Err(505));
        check("GET /a\r\n\r\n", Err(400));
        check("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", Err(400));
        check("GET /a HTTP/1.1\r\nHost : x\r\n\r\n", Err(400));
        check("GET /a HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", Err(400));
        check("GET /a HTTP/1.1\r\nHost: x\rX: y\r\n\r\n", Err(400));
        check("GET /a HTTP/1.1\r\nHost: x\0\r\n\r\n", Err(400));
        check("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", Err(400));
        check("\x16\x03\x01\x02", Err(400));
    }

    #[test]
    fn limits() {
        let many = "X: y\r\n".repeat(FIELDS_MAX + 1);
        check(&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), Err(431));
        let large = "b".repeat(HEAD_BYTES_MAX);
        check(&format!("GET / HTTP/1.1\r\nHost: x\r\nX: {large}"), Err(431));
    }

    /// What a head of this length leads to, whole and in pieces of every size.
    fn check_length(head: &str, expected: Result<&str, u16>) {
        check(head, expected);
        let mut ends = (1..=head.len()).map(|end| parse(&head.as_bytes()[..end]));
        let first = ends.find(|head| !matches!(head, Ok(Head::Partial)));
        let status = first.unwrap().map_err(|error| error.status).map(|_| ());
        assert_eq!(status, expected.map(|_| ()), "in pieces: {} bytes", head.len());
    }

    #[test]
    fn a_head_in_pieces_has_the_limits_of_a_whole_one() {
        let room = REQUEST_LINE_BYTES_MAX - "GET / HTTP/1.1".len();
        let line = |len| format!("GET /{} HTTP/1.1", "a".repeat(len));
        let rest = "\r\nHost: x\r\n\r\n";
        for before in ["", "\r\n\r\n"] {
            let fits = line(room);
            check_length(&format!("{before}{fits}{rest}"), Ok(&fits[4..fits.len() - 9]));
            check_length(&format!("{before}{}{rest}", line(room + 1)), Err(414));
        }
        let begin = "GET / HTTP/1.1\r\nHost: x\r\nX: ";
        let room = HEAD_BYTES_MAX - begin.len() - "\r\n\r\n".len();
        check_length(&format!("{begin}{}\r\n\r\n", "b".repeat(room)), Ok("/"));
        check_length(&format!("{begin}{}\r\n\r\n", "b".repeat(room + 1)), Err(431));
    }
}
