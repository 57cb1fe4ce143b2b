//! An account's encrypted backup (`docs/protocol/backup.md`).

use data_encoding::BASE64URL_NOPAD;
use http::StatusCode;
use media_store::Digest;
use serde::{Deserialize, Serialize};

use super::{Answer, Problem, Request, done_with, form, json};
use crate::chat::accounts::Owner;
use crate::chat::backups::{Backup, Backups};

#[derive(Serialize)]
struct BackupView {
    snapshot: Option<SnapshotView>,
    password: Option<PasswordView>,
}

#[derive(Serialize)]
struct SnapshotView {
    digest: Digest,
    bytes: u64,
    made: u64,
}

#[derive(Serialize)]
struct PasswordView {
    tries: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SnapshotForm {
    digest: Digest,
}

/// A message of OPAQUE, in URL-safe base64 without padding.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MessageForm {
    message: String,
}

#[derive(Serialize)]
struct MessageView {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tries: Option<u32>,
}

/// Answers what is asked of the owner's backup; `path` is what stands behind `backup`.
pub(super) async fn answer(
    owner: &Owner,
    request: &Request,
    path: &[&str],
    backups: &Backups,
) -> Answer {
    let outcome = match (path, request.method.as_str()) {
        ([], "GET") => return json(StatusCode::OK, &view(backups.show(owner).await?)),
        ([], "PUT") => {
            let SnapshotForm { digest } = form(request)?;
            backups.set_snapshot(owner, digest).await
        }
        ([], "DELETE") => backups.remove(owner).await,
        (["password"], "POST") => {
            let message = backups.begin_password(owner, &message(request)?).await?;
            return told(&message, None);
        }
        (["password"], "PUT") => backups.set_password(owner, &message(request)?).await,
        (["password"], "DELETE") => backups.remove_password(owner).await,
        (["tries"], "POST") => {
            let (message, tries) = backups.begin_try(owner, &message(request)?).await?;
            return told(&message, Some(tries));
        }
        (["tries"], "PUT") => backups.finish_try(owner, &message(request)?).await,
        ([], _) | (["password"], _) => {
            let allowed = if path.is_empty() { "GET, PUT, DELETE" } else { "POST, PUT, DELETE" };
            return Err(Problem::MethodNotAllowed { allowed });
        }
        (["tries"], _) => return Err(Problem::MethodNotAllowed { allowed: "POST, PUT" }),
        _ => return Err(Problem::NoSuchPath),
    };
    outcome?;
    done_with()
}

fn message(request: &Request) -> Result<Vec<u8>, Problem> {
    let MessageForm { message } = form(request)?;
    BASE64URL_NOPAD.decode(message.as_bytes()).map_err(|error| Problem::form(&error.to_string()))
}

fn told(message: &[u8], tries: Option<u32>) -> Answer {
    json(StatusCode::OK, &MessageView { message: BASE64URL_NOPAD.encode(message), tries })
}

fn view(Backup { snapshot, tries }: Backup) -> BackupView {
    BackupView {
        snapshot: snapshot.map(|it| SnapshotView {
            digest: it.digest,
            bytes: it.bytes,
            made: it.made_unix_s,
        }),
        password: tries.map(|tries| PasswordView { tries }),
    }
}
