//! Addresses that are taken, and what becomes of them.

use proptest::prelude::*;

use super::{AccountId, Jid, JidError, PART_BYTES_MAX, Part};

/// `expected`: what it is prepared to, or "" if it is refused.
#[track_caller]
fn check(input: &str, expected: &str) {
    let parsed = Jid::parse(input);
    let actual = parsed.as_ref().map_or("", Jid::as_str);
    assert_eq!(actual, expected, "{input:?}: {parsed:?}");
}

#[test]
fn addresses_are_prepared() {
    check("example.org", "example.org");
    check("romeo@example.org/Orchard", "romeo@example.org/Orchard");
    check("Romeo@EXAMPLE.org/Orchard", "romeo@example.org/Orchard");
    check("example.org./a", "example.org/a");
    check("a@b/c@d/e", "a@b/c@d/e");
    check("a@b/ c ", "a@b/ c ");
    check("+15550100123@localhost", "+15550100123@localhost");
    check("a@127.0.0.1", "a@127.0.0.1");
    check("a@[::0001]/r", "a@[::1]/r");
    check("Ärger@bücher.example/Zoë", "ärger@bücher.example/Zoë");
    check("fu\u{df}ball@example.org", "fussball@example.org");
    check("\u{ff21}@example.org", "a@example.org");
    check("a@example\u{3002}org", "a@example.org");
    check("room@muc.example.org/nick 😀", "room@muc.example.org/nick 😀");
    check("r@e.org/\u{212b}", "r@e.org/\u{c5}");
}

#[test]
fn what_is_no_address_is_refused() {
    for input in [
        "",
        "@",
        "/",
        "@/",
        "a@",
        "@b",
        "a@b/",
        "a@/c",
        "@b/c",
        "/c",
        "a@b@c",
        "a b@c",
        "a\"@c",
        "a&@c",
        "a'@c",
        "a:b@c",
        "a<@c",
        "a@b c",
        "a@b..c",
        "a@.b",
        "a@.",
        "a@b:80",
        "a@[::1",
        "a@[b]",
        "a@b/\u{0}",
        "a@b/\n",
        "a@b/\u{7f}",
        "a@b/\u{202e}x😀",
        "a@b/\u{e000}",
        "\u{ff20}@c",
        "a\u{ff0f}b@c",
        "a@b\u{ff0f}c",
        "\u{1f600}@c",
        "\u{ad}@c",
        "\u{5d0}a@c",
    ] {
        check(input, "");
    }
}

#[test]
fn parts_have_a_limit() {
    let (most, more) = ("x".repeat(PART_BYTES_MAX), "x".repeat(PART_BYTES_MAX + 1));
    let longest = format!("{most}@{most}/{most}");
    check(&longest, &longest);
    for input in [format!("{more}@a"), more.clone(), format!("a/{more}")] {
        check(&input, "");
    }
    let wide = "\u{ff41}".repeat(PART_BYTES_MAX);
    check(&format!("{wide}@b"), &format!("{}@b", "a".repeat(PART_BYTES_MAX)));
    let error = Jid::parse(&format!("a@b/{}", "x".repeat(5000))).unwrap_err();
    assert_eq!(error, JidError::TooLong { part: Part::Resource, bytes: 5000 });
}

#[test]
fn parts_are_told_apart() {
    let jid = Jid::parse("a@b/c/d").unwrap();
    assert_eq!((jid.local(), jid.domain(), jid.resource()), (Some("a"), "b", Some("c/d")));
    assert_eq!(jid.bare_str(), "a@b");
    assert_eq!(jid.bare(), Jid::parse("a@b").unwrap());
    assert_eq!(jid.domain_jid(), Jid::parse("b").unwrap());
    assert!(jid.bare().is_bare_of(&jid) && jid.bare().is_bare_of(&jid.bare()));
    assert!(!jid.is_bare_of(&jid) && !Jid::parse("a@c").unwrap().is_bare_of(&jid));
    assert_eq!(jid.bare().with_resource("e").unwrap().as_str(), "a@b/e");
    assert_eq!(jid.with_resource("e").unwrap().as_str(), "a@b/e");
    assert!(jid.with_resource("").is_err());

    let host = Jid::parse("b/r").unwrap();
    assert_eq!((host.local(), host.domain(), host.resource()), (None, "b", Some("r")));
    assert!(Jid::from_parts(Some("a/b"), "c", None).is_err());
    assert_eq!(Jid::from_parts(Some("A"), "c", Some("@")).unwrap().as_str(), "a@c/@");
}

#[test]
fn account_ids_have_one_spelling() {
    let jid = Jid::parse("K7QM2XW4P9AB@example.org/r").unwrap();
    assert_eq!(AccountId::of(&jid).unwrap().to_string(), "k7qm2xw4p9ab");
    for wrong in ["", "k7qm2xw4p9a", "k7qm2xw4p9abc", "K7qm2xw4p9ab", "k7qm2xw4p9al", "é7qm2xw4p9a"]
    {
        assert!(AccountId::parse(wrong).is_err(), "{wrong}");
    }
    assert_eq!(AccountId::of(&Jid::parse("example.org").unwrap()), None);
    assert_eq!(AccountId::from_u64(1 << 60), None);
    assert_eq!(AccountId::from_random(0).to_string(), "000000000000");
    assert_eq!(AccountId::from_random(u64::MAX).to_string(), "zzzzzzzzzzzz");
}

proptest! {
    #[test]
    fn ids_come_back(random: u64) {
        let id = AccountId::from_random(random);
        prop_assert_eq!(AccountId::parse(&id.to_string()), Ok(id));
        prop_assert_eq!(AccountId::from_u64(id.as_u64()), Some(id));
        let jid = Jid::parse(&format!("{id}@example.org")).unwrap();
        prop_assert_eq!(AccountId::of(&jid), Some(id));
    }

    #[test]
    fn what_is_prepared_stays(text in "(\\PC{0,4}@)?\\PC{1,6}(/\\PC{0,6})?") {
        if let Ok(jid) = Jid::parse(&text) {
            let again = Jid::parse(jid.as_str()).unwrap();
            prop_assert_eq!(&again, &jid);
            prop_assert_eq!(again.local(), jid.local());
            prop_assert_eq!(again.resource(), jid.resource());
            let parts = Jid::from_parts(jid.local(), jid.domain(), jid.resource()).unwrap();
            prop_assert_eq!(parts, jid);
        }
    }
}
