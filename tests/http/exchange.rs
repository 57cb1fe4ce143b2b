//! One exchange as a line of a table: what is sent, and what must come back.

use crate::support::door::Door;
use crate::support::wire::{Answer, Wire};

/// A request, its lines ended by `\n`, and what is expected of its answer, parted by `; `:
///
/// | | |
/// |---|---|
/// | `405` | the status; `400/405` one of them |
/// | `allow: GET` | a field and its value; `*` for any |
/// | `no etag` | a field that must not stand there |
/// | `= text` | the content |
/// | `open`, `ended` | the connection takes another request, or ends in order |
pub type Exchange = (&'static str, &'static str);

/// Each exchange on a connection of its own.
pub fn check(door: &Door, exchanges: &[Exchange]) {
    for (request, expected) in exchanges {
        check_on(&mut door.connect(), request, expected);
    }
}

/// Each exchange behind another one on its connection.
pub fn check_later(door: &Door, exchanges: &[Exchange]) {
    for (request, expected) in exchanges {
        let mut wire = door.connect();
        assert!(wire.is_open(), "the first request");
        check_on(&mut wire, request, expected);
    }
}

/// One exchange on a connection.
pub fn check_on(wire: &mut Wire, request: &str, expected: &str) {
    wire.send(request);
    let method = request.trim_start().split(' ').next().unwrap_or_default();
    let answer = match wire.try_answer(method) {
        Ok(Some(answer)) => answer,
        other => panic!("{request:?}\nexpected {expected}\nbut got {other:?}"),
    };
    for fact in expected.split("; ") {
        let holds = match fact {
            "open" => wire.is_open(),
            "ended" => wire.is_ended(),
            _ => holds(&answer, fact),
        };
        assert!(holds, "{request:?}\nexpected {fact}\nbut got {answer:?} {:?}", answer.text());
    }
}

fn holds(answer: &Answer, fact: &str) -> bool {
    if let Some(content) = fact.strip_prefix('=') {
        return answer.text() == content.strip_prefix(' ').unwrap_or(content);
    }
    if let Some(name) = fact.strip_prefix("no ") {
        return answer.field(name).is_none();
    }
    match fact.split_once(": ") {
        Some((name, "*")) => answer.field(name).is_some(),
        Some((name, value)) => answer.field(name) == Some(value),
        None => fact.split('/').any(|status| status == answer.status.to_string()),
    }
}
