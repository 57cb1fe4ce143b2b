//! The server name in a ClientHello (RFC 8446, 4.1.2; RFC 6066, 3).

/// A ClientHello's extensions.
pub(super) struct ClientHello<'a> {
    extensions: &'a [u8],
}

/// Reads a ClientHello that stands whole in the first record of `incoming`.
pub(super) fn find(incoming: &[u8]) -> Option<ClientHello<'_>> {
    let mut stream = Reader(incoming);
    if stream.u8()? != CONTENT_TYPE_HANDSHAKE {
        return None;
    }
    stream.take(2)?;
    let mut record = Reader(stream.vector_u16()?);
    if record.u8()? != HANDSHAKE_CLIENT_HELLO {
        return None;
    }
    let length = record.take(3)?;
    let length =
        usize::from(length[0]) << 16 | usize::from(length[1]) << 8 | usize::from(length[2]);
    let mut hello = Reader(record.take(length)?);
    hello.take(VERSION_AND_RANDOM_BYTES)?;
    hello.vector_u8()?; // session id
    hello.vector_u16()?; // cipher suites
    hello.vector_u8()?; // compression methods
    Some(ClientHello { extensions: hello.vector_u16().unwrap_or_default() })
}

impl ClientHello<'_> {
    /// The host name asked for, in lower case and without a final dot.
    pub(super) fn server_name(&self) -> Option<String> {
        let mut extensions = Reader(self.extensions);
        loop {
            let kind = extensions.u16()?;
            let body = extensions.vector_u16()?;
            if kind == EXTENSION_SERVER_NAME {
                return host_name(body);
            }
        }
    }
}

fn host_name(body: &[u8]) -> Option<String> {
    let mut list = Reader(Reader(body).vector_u16()?);
    if list.u8()? != NAME_TYPE_HOST {
        return None;
    }
    let name = std::str::from_utf8(list.vector_u16()?).ok()?;
    let name = name.strip_suffix('.').unwrap_or(name);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let valid = !name.is_empty() && name.len() <= HOST_BYTES_MAX && name.bytes().all(plain);
    valid.then(|| name.to_ascii_lowercase())
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector_u8(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(len.into())
    }

    fn vector_u16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(len.into())
    }
}

const CONTENT_TYPE_HANDSHAKE: u8 = 22;
const HANDSHAKE_CLIENT_HELLO: u8 = 1;
const EXTENSION_SERVER_NAME: u16 = 0;
const NAME_TYPE_HOST: u8 = 0;
const VERSION_AND_RANDOM_BYTES: usize = 2 + 32;
/// The longest name of DNS (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn hello_with(name: &[u8]) -> Vec<u8> {
        let len = name.len() as u8;
        let mut extension = vec![0, 0, 0, len + 5, 0, len + 3, 0, 0, len];
        extension.extend_from_slice(name);
        let mut hello = vec![3, 3];
        hello.extend_from_slice(&[7; 32]);
        hello.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0, 0, extension.len() as u8]);
        hello.extend_from_slice(&extension);
        let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 1, 0, 0, hello.len() as u8];
        record.extend_from_slice(&hello);
        record
    }

    fn check(name: &[u8], expected: Option<&str>) {
        let record = hello_with(name);
        assert_eq!(find(&record).unwrap().server_name().as_deref(), expected);
        for cut in 0..record.len() {
            assert!(find(&record[..cut]).is_none(), "a ClientHello cut at {cut} is not whole");
        }
    }

    #[test]
    fn plain_name() {
        check(b"media.example.org", Some("media.example.org"));
    }

    #[test]
    fn name_is_lowered() {
        check(b"Media.Example.ORG.", Some("media.example.org"));
    }

    #[test]
    fn odd_bytes_are_no_name() {
        check(b"a b\0", None);
    }

    #[test]
    fn empty_name() {
        check(b"", None);
    }
}
