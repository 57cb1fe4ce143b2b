//! XEP-0363 HTTP File Upload: a PUT to a slot that a token names.

use http::header::{self, HeaderMap};
use hyper::body::Incoming;
use media_store::{UploadId, UploadSpec};

use super::answers::store_error;
use super::receive::{Interrupted, receive, store_work};
use super::token::{Permit, Purpose, Slot};
use super::{Uploads, bearer, told};
use crate::edge::answer::{self, Answer};
use crate::edge::full::InFlight;
use crate::edge::request::{Framing, Request};

impl Uploads {
    /// Takes the content of a slot: of exactly the length and type that the slot was asked for.
    pub(super) async fn put(
        &self,
        (id, name): (UploadId, String),
        facts: &Request<'_>,
        headers: &HeaderMap,
        content: Incoming,
        request: &InFlight,
    ) -> Result<Answer, Answer> {
        let token = bearer(headers).or_else(|| token_of_query(facts.query));
        let permit = self.permit(token)?;
        let slot = slot_of(&permit).filter(|slot| slot.id == id && slot.name == name);
        let slot = slot.ok_or_else(|| answer::error(403, "the token is for another address"))?;
        check_len(facts.framing, slot.len)?;
        let media_type = check_type(headers, slot)?;
        let spec = UploadSpec {
            id: Some(id),
            len: Some(slot.len),
            media_type,
            name: Some(name),
            expected: permit.grant.expected,
            reference_until: permit.grant.reference_until,
            allowance: Some(permit.allowance()),
            ..UploadSpec::by(permit.grant.owner.clone())
        };
        let store = self.store.clone();
        let begun = request.working(store_work(move || store.begin(spec))).await;
        let receiving = begun.map_err(|error| store_error(&error))?;
        told(receive(receiving, content, None, Interrupted::Goes, request).await, 201)
    }
}

fn slot_of(permit: &Permit) -> Option<&Slot> {
    match &permit.grant.purpose {
        Purpose::Slot(slot) => Some(slot),
        Purpose::Tus => None,
    }
}

/// `v=<token>`, as slot addresses carry it.
fn token_of_query(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("v="))
}

fn check_len(framing: Framing, expected: u64) -> Result<(), Answer> {
    let len = match framing {
        Framing::Length(len) => len,
        Framing::None => 0,
        Framing::Chunked => return Err(answer::error(411, "")),
    };
    let status = match len {
        _ if len == expected => return Ok(()),
        _ if len > expected => 413,
        _ => 400,
    };
    Err(answer::error(status, &format!("{len} bytes come, the slot is for {expected}")))
}

/// The slot's type; where none was declared, the request's.
fn check_type(headers: &HeaderMap, slot: &Slot) -> Result<Option<String>, Answer> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match (&slot.media_type, sent) {
        (None, sent) => Ok(sent.map(str::to_owned)),
        (Some(expected), Some(sent)) if !expected.eq_ignore_ascii_case(sent) => {
            Err(answer::error(415, &format!("the slot is for {expected}")))
        }
        (Some(expected), _) => Ok(Some(expected.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let check = |framing, expected: Result<(), u16>| {
            assert_eq!(check_len(framing, 5).map_err(|answer| answer.status), expected);
        };
        check(Framing::Length(5), Ok(()));
        check(Framing::Length(6), Err(413));
        check(Framing::Length(4), Err(400));
        check(Framing::None, Err(400));
        check(Framing::Chunked, Err(411));
    }

    #[test]
    fn tokens_in_queries() {
        assert_eq!(token_of_query(Some("a=b&v=1.x.y")), Some("1.x.y"));
        assert_eq!(token_of_query(Some("ev=1")), None);
        assert_eq!(token_of_query(None), None);
    }
}
