//! Addresses (RFC 7622): what is taken is prepared for good, and its parts make it again.
#![no_main]

use chat_core::jid::{AccountId, Jid, PART_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = AccountId::parse(text) {
        assert_eq!(id.to_string(), text);
    }
    let Ok(jid) = Jid::parse(text) else { return };
    assert_eq!(Jid::parse(jid.as_str()).as_ref(), Ok(&jid));
    let (local, domain, resource) = (jid.local(), jid.domain(), jid.resource());
    assert_eq!(Jid::from_parts(local, domain, resource).as_ref(), Ok(&jid));
    for part in [local, Some(domain), resource].into_iter().flatten() {
        assert!((1..=PART_BYTES_MAX).contains(&part.len()));
    }
    assert!(jid.bare().is_bare() && jid.bare().is_bare_of(&jid));
    assert_eq!(jid.bare().as_str(), jid.bare_str());
    if let Some(resource) = resource {
        assert_eq!(jid.bare().with_resource(resource), Ok(jid));
    }
});
