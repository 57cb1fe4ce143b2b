//! Header fields of tus 1.0: numbers stay within what the catalog can keep, and metadata and
//! checksums mean the same when they are read again.
#![no_main]

use http::header::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use whimbrel::edge::upload::checksum::Expected;
use whimbrel::edge::upload::metadata::Metadata;
use whimbrel::edge::upload::tus::{Fields, Length, VERSION};

/// The catalog's numbers are signed.
const BYTES_MAX: u64 = i64::MAX as u64;

fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    headers.insert("tus-resumable", HeaderValue::from_static(VERSION));
    for line in bytes.split(|byte| *byte == b'\n') {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        values(value);
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    values(bytes);
    match Fields::parse(&headers) {
        Ok(fields) => {
            assert!(fields.offset.is_none_or(|offset| offset <= BYTES_MAX));
            assert!(!matches!(fields.length, Some(Length::Known(len)) if len > BYTES_MAX));
        }
        Err(refusal) => assert!(matches!(refusal.status, 400 | 412), "{refusal:?}"),
    }
});

/// A value by itself, as metadata and as a checksum.
fn values(value: &[u8]) {
    if let Ok(metadata) = Metadata::parse(value) {
        // HEAD gives the text back to the client, who may send it again.
        let text = metadata.text.clone().unwrap_or_default();
        assert!(text.is_ascii());
        assert_eq!(Metadata::parse(text.as_bytes()), Ok(metadata));
    }
    if let Ok(expected) = Expected::parse(value) {
        let mut checking = expected.begin();
        checking.absorb(value);
        assert!(!checking.holds(), "a checksum of itself");
    }
}
