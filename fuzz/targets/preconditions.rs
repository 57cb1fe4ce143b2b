//! Dates and entity tags (RFC 9110 5.6.7, 8.8.3, 13): what we say is understood when it comes
//! back, and a list of tags means what its tags mean.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::conditional::{
    Validators, Verdict, evaluate, format_date, if_range_holds, parse_date_s,
};
use whimbrel::edge::request::{Request, Version};

const ETAG: &[u8] = b"\"a,b\"";
const MODIFIED_S: u64 = 1_000_000_000;

fuzz_target!(|value: &[u8]| {
    if let Some(seconds) = parse_date_s(value) {
        let formatted = format_date(seconds);
        assert_eq!(formatted.len(), 29);
        assert_eq!(parse_date_s(formatted.as_bytes()), Some(seconds));
    }

    let validators = Validators { etag: Some(ETAG), last_modified_s: Some(MODIFIED_S) };
    let weak = Validators { etag: Some(b"W/\"a,b\""), last_modified_s: Some(MODIFIED_S) };
    if if_range_holds(value, weak, MODIFIED_S + 60) {
        assert_eq!(parse_date_s(value), Some(MODIFIED_S), "a weak tag allowed a range");
    }
    assert!(!if_range_holds(value, validators, MODIFIED_S) || value.trim_ascii() == ETAG);

    // What allows with If-Match (strong) is found by If-None-Match (weak) too.
    let matches = verdict("if-match", value, validators) == Some(Verdict::Proceed);
    let none_matches = verdict("if-none-match", value, validators) == Some(Verdict::Proceed);
    assert!(!(matches && none_matches), "{:?}", value.escape_ascii().to_string());
    verdict("if-modified-since", value, validators);
    verdict("if-unmodified-since", value, validators);
});

fn verdict(name: &str, value: &[u8], validators: Validators<'_>) -> Option<Verdict> {
    let mut request = Request::new("GET", "/", Version::Http11).ok()?;
    request.field("host", b"x").ok()?;
    request.field(name, value).ok()?;
    Some(evaluate(&request.finish().ok()?, validators))
}
