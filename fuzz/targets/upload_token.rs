//! Upload tokens: what is not ours is refused, a changed one too, and an issued one says what it
//! was issued for.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use media_store::{UnixSeconds, UploadId};
use whimbrel::edge::upload::token::{Grant, Purpose, Slot, TokenError, UploadTokens};

const NOW: UnixSeconds = UnixSeconds(1000);
/// Longer tokens are refused.
const TOKEN_BYTES_MAX: usize = 4096;

static TOKENS: LazyLock<UploadTokens> = LazyLock::new(|| UploadTokens::from_key([1; 32]));
static ISSUED: LazyLock<String> = LazyLock::new(|| issue(&grant("alice", None)));

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(TOKENS.verify(&text, NOW), Err(TokenError::Invalid));
    // A part of an issued token changed.
    if let [at, changes @ ..] = bytes {
        let mut token = ISSUED.clone().into_bytes();
        let from = usize::from(*at) % token.len();
        for (byte, change) in token[from..].iter_mut().zip(changes) {
            *byte ^= change;
        }
        let token = String::from_utf8_lossy(&token);
        let is_same = *token == **ISSUED;
        assert_eq!(TOKENS.verify(&token, NOW).is_ok(), is_same, "{token}");
    }
    let (owner, name) = text.split_at(text.floor_char_boundary(text.len() / 2));
    for grant in [grant(owner, None), grant(owner, Some(name))] {
        let token = issue(&grant);
        match TOKENS.verify(&token, NOW) {
            Ok(permit) => assert_eq!(permit.grant, grant),
            Err(_) => assert!(token.len() > TOKEN_BYTES_MAX),
        }
        assert_ne!(TOKENS.verify(&token, grant.expires).map(|permit| permit.grant), Ok(grant));
    }
});

fn issue(grant: &Grant) -> String {
    TOKENS.issue(grant).expect("the system gives random bytes")
}

fn grant(owner: &str, name: Option<&str>) -> Grant {
    let slot = |name: &str| Slot {
        id: UploadId::random().expect("the system gives random bytes"),
        name: name.to_owned(),
        len: owner.len() as u64,
        media_type: None,
    };
    Grant {
        owner: owner.to_owned(),
        bytes_max: 10,
        count_max: 2,
        expected: None,
        reference_until: None,
        expires: UnixSeconds(1001),
        purpose: name.map_or(Purpose::Tus, |name| Purpose::Slot(slot(name))),
    }
}
