//! The edge's door for `/api/`, joined to the chat server's account API.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::chat::accounts::Accounts;
use crate::chat::api::upload_tokens::UploadTokenOrder;
use crate::chat::api::{Api, Request, Response};
use crate::chat::objects::ObjectOrder;
use crate::chat::previews::{Previews, PreviewsConfig};
use crate::edge::api::{ApiAnswer, ApiDoor, ApiRequest};

/// Requests between the edge and the API.
const REQUESTS_MAX: usize = 64;
/// Requests that are answered at a time.
const ANSWERS_MAX: usize = 32;

/// A door for the edge; what comes through it is answered for these accounts.
pub fn door(
    accounts: Accounts,
    upload_tokens: mpsc::Sender<UploadTokenOrder>,
    objects: mpsc::Sender<ObjectOrder>,
    previews: PreviewsConfig,
) -> ApiDoor {
    let (requests, mut came) = mpsc::channel::<ApiRequest>(REQUESTS_MAX);
    let api = Api::new(accounts, upload_tokens, objects, open(previews));
    let places = Arc::new(Semaphore::new(ANSWERS_MAX));
    tokio::spawn(async move {
        while let Some(request) = came.recv().await {
            // The semaphore is never closed.
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let api = api.clone();
            tokio::spawn(async move {
                answer(&api, request).await;
                drop(place);
            });
        }
    });
    ApiDoor { requests }
}

/// `None`, and a line in the log, where there is nothing to check certificates with.
fn open(config: PreviewsConfig) -> Option<Previews> {
    let previews = config.enabled.then(|| Previews::new(config))?;
    previews.inspect_err(|error| tracing::warn!(%error, "no previews of links")).ok()
}

async fn answer(api: &Api, request: ApiRequest) {
    let asked = Request {
        method: request.method,
        path: request.path,
        headers: request.headers,
        content: request.content,
        peer: request.peer.ip(),
        is_tls: request.is_tls,
    };
    let Response { status, fields, content, more } = api.answer(asked).await;
    // Who has gone needs no answer.
    let _ = request.reply.send(ApiAnswer { status: status.as_u16(), fields, content, more });
}
