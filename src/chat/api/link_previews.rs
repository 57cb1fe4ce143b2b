//! What stands behind a link (`docs/protocol/link-previews.md`).

use data_encoding::BASE64;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Answer, Problem, Request, form, json};
use crate::chat::accounts::Owner;
use crate::chat::previews::{Preview, Previews};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkForm {
    url: String,
}

#[derive(Serialize)]
struct PreviewView {
    url: String,
    title: String,
    description: String,
    image: Option<ImageView>,
}

#[derive(Serialize)]
struct ImageView {
    r#type: &'static str,
    content: String,
}

/// Answers the request of an account's owner.
pub(super) async fn find(owner: &Owner, request: &Request, previews: Option<&Previews>) -> Answer {
    let LinkForm { url } = form(request)?;
    let previews = previews.ok_or(Problem::PreviewsOff)?;
    let found = previews.find(owner.account(), &url, owner.now_unix_s()).await;
    let Preview { url, page, image } = found.map_err(Problem::NoPreview)?;
    let image = image.map(|image| ImageView {
        r#type: image.media_type,
        content: BASE64.encode(&image.content),
    });
    let view = PreviewView { url, title: page.title, description: page.description, image };
    json(StatusCode::OK, &view)
}
