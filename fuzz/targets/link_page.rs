//! A page's head: whatever its bytes, what is read of it is within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::chat::previews::page::{self, DESCRIPTION_BYTES_MAX, TITLE_BYTES_MAX};

fuzz_target!(|bytes: &[u8]| {
    for charset in [None, Some("utf-8"), Some("latin1")] {
        let page = page::read(bytes, charset);
        assert!(page.title.len() <= TITLE_BYTES_MAX, "{page:?}");
        assert!(page.description.len() <= DESCRIPTION_BYTES_MAX, "{page:?}");
        for line in [&page.title, &page.description] {
            assert!(!line.contains(char::is_control) && line.trim() == line, "{page:?}");
        }
    }
});
