//! Pushes to browsers (RFC 8030), joined to the chat core that wants them.

use std::path::Path;
use std::sync::Arc;

use chat_core::chat::Command;
use chat_core::features::web_push::Push;
use tokio::sync::Semaphore;

use crate::chat::push::{Delivery, Identity, PushConfig, Pusher};
use crate::http_client::{HttpClient, Schemes};

/// Pushes under way; one more is not sent.
const PUSHES_AT_ONCE_MAX: usize = 64;

/// The way to push services; clones are the same.
#[derive(Clone)]
pub struct Pushes {
    pusher: Arc<Pusher>,
    under_way: Arc<Semaphore>,
}

impl Pushes {
    /// Tells push services in the domain's name; `None`, and a line in the log, where there is no
    /// key or nothing to check certificates with.
    pub fn open(config: &PushConfig, data_dir: &Path, domain: &str) -> Option<Self> {
        let identity = Identity::open(data_dir, &format!("https://{domain}"))
            .inspect_err(|error| tracing::warn!(%error, "no pushes to browsers"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = HttpClient::new(provider, config.ca_file.as_deref(), Schemes::Https)
            .inspect_err(|error| tracing::warn!(%error, "no pushes to browsers"))
            .map(|client| if config.private_endpoints { client } else { client.public_only() });
        let pusher = Arc::new(Pusher::new(identity.ok()?, client.ok()?));
        Some(Self { pusher, under_way: Arc::new(Semaphore::new(PUSHES_AT_ONCE_MAX)) })
    }

    /// The key by which push services know us, for the core.
    pub fn public_key(&self) -> Box<[u8]> {
        self.pusher.public_key().into()
    }

    /// Delivers a push beside everything else. A subscription that is gone is ended by `command`.
    pub fn deliver(&self, push: Push, command: impl FnOnce(Command) + Send + 'static) {
        let Ok(permit) = self.under_way.clone().try_acquire_owned() else {
            return tracing::warn!("too many pushes are under way; one is not sent");
        };
        let pusher = self.pusher.clone();
        tokio::spawn(async move {
            match pusher.deliver(&push).await {
                Ok(Delivery::Taken) => {}
                Ok(Delivery::Gone) => {
                    let (account, endpoint) = (push.account, push.subscription.endpoint);
                    command(Command::EndPush { account, endpoint });
                }
                Err(error) => tracing::info!(%error, "a push was not delivered"),
            }
            drop(permit);
        });
    }
}
