//! `Range` headers (RFC 9110 14.2): every range lies inside, none twice, never a flood.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::edge::range::{ByteRange, RANGES_MAX, Ranges};

fuzz_target!(|input: (u64, &[u8])| {
    let (complete_len, header) = input;
    match Ranges::parse(header, complete_len) {
        Ranges::Whole | Ranges::Unsatisfiable => {}
        Ranges::One(range) => check(range, complete_len),
        Ranges::Many(ranges) => {
            assert!((2..=RANGES_MAX).contains(&ranges.len()));
            let mut ordered = ranges.clone();
            ordered.sort_by_key(|range| range.start);
            for range in &ordered {
                check(*range, complete_len);
            }
            for pair in ordered.windows(2) {
                assert!(pair[0].end() <= pair[1].start, "a byte is sent twice: {ranges:?}");
            }
        }
    }
});

fn check(range: ByteRange, complete_len: u64) {
    assert!(range.len > 0);
    assert!(range.start < complete_len && range.end() <= complete_len);
    // What we say in Content-Range, asked for again, is the same range.
    let content_range = range.content_range(complete_len);
    let (asked, _) = content_range["bytes ".len()..].split_once('/').expect("has a length");
    let again = Ranges::parse(format!("bytes={asked}").as_bytes(), complete_len);
    assert_eq!(again, Ranges::One(range));
}
