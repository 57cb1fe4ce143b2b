//! Elements (XML 1.0): what is read is written in a form that reads the same, wherever it stands.
#![no_main]

use bytes::Bytes;
use chat_core::ns;
use chat_core::xml::{Element, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(element) = Element::parse_within(bytes, ns::CLIENT, &Limits::default()) else { return };
    for around in [ns::CLIENT, "", ns::FORWARD] {
        let written = element.to_bytes(around);
        let again = Element::parse(&written, around).expect("what is written can be read");
        assert_eq!(again, element);
        assert_eq!(again.to_bytes(around), written, "the written form is final");
    }
    let raw = Bytes::copy_from_slice(bytes);
    let parent = Element::new("forwarded", ns::FORWARD);
    let holder = parent.clone().with_raw(raw, ns::CLIENT).expect("it was read before");
    let read = Element::parse(&holder.to_bytes(""), "").expect("raw elements stay well-formed");
    let elements = read.children().collect::<Vec<_>>();
    assert_eq!(elements, [&element]);
});
