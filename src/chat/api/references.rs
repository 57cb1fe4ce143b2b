//! References of one's own to objects that others have put there (`docs/protocol/accounts.md`): what is
//! forwarded stays when its first sender's reference ends.

use media_store::{Digest, UnixSeconds};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot};

use super::{Answer, Problem, Request, done, form};
use crate::chat::accounts::{AccountError, Owner};
use crate::chat::objects::ObjectOrder;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceForm {
    digest: String,
    expires: Option<u64>,
}

/// Answers the request of an account's owner.
pub(super) async fn refer(
    owner: &Owner,
    request: &Request,
    objects: &mpsc::Sender<ObjectOrder>,
) -> Answer {
    let ReferenceForm { digest, expires } = form(request)?;
    let digest: Digest =
        digest.parse().map_err(|error| Problem::form(&format!("digest: {error}")))?;
    if expires.is_some_and(|expires| expires <= owner.now_unix_s()) {
        return Err(Problem::form("expires has passed"));
    }
    let (account, until) = (owner.account(), expires.map(UnixSeconds));
    let (reply, referred) = oneshot::channel();
    let order = ObjectOrder::Refer { account, digest, until, reply };
    objects.try_send(order).map_err(|_| Problem::Busy)?;
    let is_there = referred.await.map_err(|_| Problem::Failed)?;
    done(is_there.then_some(()).ok_or(AccountError::NotFound { what: "object" }))
}
