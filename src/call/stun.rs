//! RFC 8489 Session Traversal Utilities for NAT: the Binding method, as ICE uses it (RFC 8445 7).

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 20;
/// The largest message that is read, in bytes: checks are far smaller.
pub const MESSAGE_BYTES_MAX: usize = 1280;
/// The largest message that is written, in bytes.
pub const RESPONSE_BYTES_MAX: usize = 128;

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const FINGERPRINT_XOR: u32 = 0x5354_554e;
const INTEGRITY_BYTES: usize = 20;
const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// Types of messages (RFC 8489 5).
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

/// Types of attributes (RFC 8489 18.3, RFC 8445 16.1).
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;

/// A transaction's name, chosen by who asks.
pub type TransactionId = [u8; 12];

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is shorter than its header, or longer than any check.
    #[error("{bytes} bytes; {HEADER_BYTES} to {MESSAGE_BYTES_MAX} are read")]
    Length {
        /// What there is.
        bytes: usize,
    },
    /// Its own length, or that of an attribute, is not what is there.
    #[error("an attribute at byte {at} does not fit in {bytes} bytes")]
    Attribute {
        /// Where it begins.
        at: usize,
        /// What there is.
        bytes: usize,
    },
    /// Without the magic cookie it is another protocol's.
    #[error("no magic cookie")]
    Cookie,
    /// Not a Binding request.
    #[error("message type {0:#06x}")]
    Type(u16),
    /// An attribute that a check has.
    #[error("no {0}")]
    Missing(&'static str),
    /// The checksum does not fit.
    #[error("wrong FINGERPRINT")]
    Fingerprint,
}

/// A Binding request of ICE: whole, but not proven to be of whom it says.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    /// Which response will be its own.
    pub transaction: TransactionId,
    /// Our ufrag, a colon, and the peer's.
    pub username: &'a [u8],
    /// The pair is nominated.
    pub use_candidate: bool,
    /// The peer holds itself for the controlled one.
    pub is_controlled: bool,
    signed: &'a [u8],
    integrity: &'a [u8],
}

impl<'a> BindingRequest<'a> {
    /// Reads a whole datagram.
    ///
    /// # Errors
    /// When it is not a Binding request with USERNAME, MESSAGE-INTEGRITY and a right FINGERPRINT.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        if !(HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&bytes.len()) {
            return Err(Fault::Length { bytes: bytes.len() });
        }
        if bytes[4..8] != MAGIC_COOKIE {
            return Err(Fault::Cookie);
        }
        let message_type = u16_at(bytes, 0);
        if message_type != BINDING_REQUEST {
            return Err(Fault::Type(message_type));
        }
        if usize::from(u16_at(bytes, 2)) != bytes.len() - HEADER_BYTES {
            return Err(Fault::Attribute { at: 2, bytes: bytes.len() });
        }
        let mut found = Found::default();
        let mut at = HEADER_BYTES;
        while at < bytes.len() {
            at = found.take(bytes, at)?;
        }
        found.whole(bytes)
    }

    /// Our ufrag, by which the connection is found.
    pub fn local_ufrag(&self) -> &'a [u8] {
        self.username.split(|byte| *byte == b':').next().unwrap_or_default()
    }

    /// Whether whoever sent it knows `password` (RFC 8489 14.5).
    pub fn is_signed_by(&self, password: &hmac::Key) -> bool {
        let mut context = hmac::Context::with_key(password);
        // The length is signed as if the message ended behind MESSAGE-INTEGRITY.
        let len = self.signed.len() - HEADER_BYTES + ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES;
        context.update(&self.signed[..2]);
        context.update(&(len as u16).to_be_bytes());
        context.update(&self.signed[4..]);
        let tag = context.sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), self.integrity).is_ok()
    }
}

/// A password as MESSAGE-INTEGRITY uses it.
pub fn key_of(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

#[derive(Default)]
struct Found<'a> {
    username: Option<&'a [u8]>,
    integrity: Option<(usize, &'a [u8])>,
    fingerprint: Option<(usize, u32)>,
    use_candidate: bool,
    is_controlled: bool,
}

impl<'a> Found<'a> {
    fn take(&mut self, bytes: &'a [u8], at: usize) -> Result<usize, Fault> {
        let fault = Fault::Attribute { at, bytes: bytes.len() };
        let head = bytes.get(at..at + ATTRIBUTE_HEADER_BYTES).ok_or(fault)?;
        let (kind, len) = (u16_at(head, 0), usize::from(u16_at(head, 2)));
        let begin = at + ATTRIBUTE_HEADER_BYTES;
        let value = bytes.get(begin..begin + len).ok_or(fault)?;
        // Behind MESSAGE-INTEGRITY nothing counts but FINGERPRINT (RFC 8489 14.5).
        match kind {
            FINGERPRINT => {
                let value = value.try_into().map_err(|_| fault)?;
                self.fingerprint = Some((at, u32::from_be_bytes(value)));
            }
            _ if self.integrity.is_some() => {}
            USERNAME => self.username = Some(value),
            USE_CANDIDATE => self.use_candidate = true,
            ICE_CONTROLLED => self.is_controlled = true,
            MESSAGE_INTEGRITY if len == INTEGRITY_BYTES => self.integrity = Some((at, value)),
            _ => {}
        }
        Ok(begin + len.next_multiple_of(4))
    }

    fn whole(self, bytes: &'a [u8]) -> Result<BindingRequest<'a>, Fault> {
        let (at, checksum) = self.fingerprint.ok_or(Fault::Missing("FINGERPRINT"))?;
        let is_last = at + ATTRIBUTE_HEADER_BYTES + 4 == bytes.len();
        if !is_last || crc32(&bytes[..at]) ^ FINGERPRINT_XOR != checksum {
            return Err(Fault::Fingerprint);
        }
        let (end, integrity) = self.integrity.ok_or(Fault::Missing("MESSAGE-INTEGRITY"))?;
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&bytes[8..HEADER_BYTES]);
        Ok(BindingRequest {
            transaction,
            username: self.username.ok_or(Fault::Missing("USERNAME"))?,
            use_candidate: self.use_candidate,
            is_controlled: self.is_controlled,
            signed: &bytes[..end],
            integrity,
        })
    }
}

/// Writes the response that tells a peer how its address is seen. Gives its bytes.
pub fn write_success(
    transaction: TransactionId,
    mapped: SocketAddr,
    password: &hmac::Key,
    out: &mut Vec<u8>,
) {
    let mut message = Writer::new(BINDING_SUCCESS, transaction, out);
    message.attribute(XOR_MAPPED_ADDRESS, &xor_mapped(mapped, transaction));
    message.sign(password);
}

/// Writes the response that lets a peer take the other role (RFC 8445 7.3.1.1).
pub fn write_role_conflict(transaction: TransactionId, password: &hmac::Key, out: &mut Vec<u8>) {
    let mut message = Writer::new(BINDING_ERROR, transaction, out);
    message.attribute(ERROR_CODE, b"\0\0\x04\x57Role Conflict\0\0\0");
    message.sign(password);
}

/// Writes a Binding request, as the peers of tests send it.
pub fn write_request(
    transaction: TransactionId,
    username: &str,
    use_candidate: bool,
    password: &hmac::Key,
    out: &mut Vec<u8>,
) {
    const PRIORITY: u16 = 0x0024;
    const ICE_CONTROLLING: u16 = 0x802a;
    let mut message = Writer::new(BINDING_REQUEST, transaction, out);
    message.attribute(USERNAME, username.as_bytes());
    message.attribute(PRIORITY, &1u32.to_be_bytes());
    message.attribute(ICE_CONTROLLING, &[7; 8]);
    if use_candidate {
        message.attribute(USE_CANDIDATE, &[]);
    }
    message.sign(password);
}

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    begin: usize,
}

impl<'a> Writer<'a> {
    fn new(message_type: u16, transaction: TransactionId, out: &'a mut Vec<u8>) -> Self {
        let begin = out.len();
        out.extend_from_slice(&message_type.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&transaction);
        Self { out, begin }
    }

    fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.out.extend_from_slice(&[0; 3][..padding]);
    }

    /// The length, as if so many bytes followed.
    fn set_len(&mut self, following: usize) {
        let len = (self.out.len() - self.begin - HEADER_BYTES + following) as u16;
        self.out[self.begin + 2..self.begin + 4].copy_from_slice(&len.to_be_bytes());
    }

    fn sign(mut self, password: &hmac::Key) {
        self.set_len(ATTRIBUTE_HEADER_BYTES + INTEGRITY_BYTES);
        let tag = hmac::sign(password, &self.out[self.begin..]);
        self.attribute(MESSAGE_INTEGRITY, tag.as_ref());
        self.set_len(ATTRIBUTE_HEADER_BYTES + 4);
        let checksum = crc32(&self.out[self.begin..]) ^ FINGERPRINT_XOR;
        self.attribute(FINGERPRINT, &checksum.to_be_bytes());
    }
}

/// RFC 8489 14.2.
fn xor_mapped(address: SocketAddr, transaction: TransactionId) -> Vec<u8> {
    let mut value = vec![0];
    let xor = MAGIC_COOKIE.iter().chain(&transaction);
    let port = address.port() ^ 0x2112;
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => {
            value.push(1);
            value.extend_from_slice(&port.to_be_bytes());
            value.extend(ip.octets().iter().zip(xor).map(|(byte, xor)| byte ^ xor));
        }
        IpAddr::V6(ip) => {
            value.push(2);
            value.extend_from_slice(&port.to_be_bytes());
            value.extend(ip.octets().iter().zip(xor).map(|(byte, xor)| byte ^ xor));
        }
    }
    value
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The CRC of ISO 3309, as FINGERPRINT uses it (RFC 8489 14.7).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| (crc >> 8) ^ CRC_TABLE[usize::from((crc as u8) ^ byte)])
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 2.1, whose password and username are given there.
    const SAMPLE_REQUEST: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\x00\x24\x00\x04\x6e\x00\x01\xff\
        \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20\
        \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
        \x80\x28\x00\x04\xe5\x7a\x3b\xcf";

    #[test]
    fn the_sample_request_of_rfc_5769_is_read_and_proven() {
        let request = BindingRequest::parse(SAMPLE_REQUEST).unwrap();
        assert_eq!(request.username, b"evtj:h6vY");
        assert_eq!(request.local_ufrag(), b"evtj");
        assert!(request.is_controlled && !request.use_candidate);
        assert!(request.is_signed_by(&key_of("VOkJxbRl1RmTxUk/WvJxBt")));
        assert!(!request.is_signed_by(&key_of("another")));
    }

    #[test]
    fn the_sample_response_of_rfc_5769_is_written_but_for_its_software() {
        let mut out = Vec::new();
        let transaction = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
        let key = key_of("VOkJxbRl1RmTxUk/WvJxBt");
        write_success(transaction, "192.0.2.1:32853".parse().unwrap(), &key, &mut out);
        assert_eq!(out[20..32], *b"\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43");
        assert!(out.len() <= RESPONSE_BYTES_MAX);
        out.clear();
        let mapped = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        write_success(transaction, mapped, &key, &mut out);
        let value =
            b"\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9";
        assert_eq!(out[24..44], *value);
    }

    #[test]
    fn what_is_cut_or_changed_is_refused() {
        for len in 0..SAMPLE_REQUEST.len() {
            assert!(BindingRequest::parse(&SAMPLE_REQUEST[..len]).is_err(), "{len} bytes");
        }
        for at in 0..SAMPLE_REQUEST.len() {
            let mut changed = SAMPLE_REQUEST.to_vec();
            changed[at] ^= 1;
            let key = key_of("VOkJxbRl1RmTxUk/WvJxBt");
            let read = BindingRequest::parse(&changed);
            assert!(!read.is_ok_and(|it| it.is_signed_by(&key)), "byte {at}");
        }
    }

    #[test]
    fn own_requests_are_read() {
        let (mut out, key) = (Vec::new(), key_of("secret"));
        write_request([3; 12], "ours:theirs", true, &key, &mut out);
        let request = BindingRequest::parse(&out).unwrap();
        assert!(request.use_candidate && request.is_signed_by(&key));
    }
}
