//! How one-time codes reach their numbers.

mod config;
mod template;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;

use chat_core::verification::SendCode;
use rustls::crypto::CryptoProvider;
use tokio::sync::Semaphore;

pub use config::{
    BodyFormat, GatewayKind, Registration, VerificationConfig, VerificationConfigError,
    WebhookConfig,
};
pub use webhook::WebhookError;

use crate::http_client::RootsError;
use template::{Escape, Template};
use webhook::Webhook;

/// Delivers codes. Clones share its limit.
#[derive(Clone)]
pub struct Gateway {
    way: Way,
    text: Template,
    domain: Arc<str>,
    places: Arc<Semaphore>,
}

#[derive(Clone)]
enum Way {
    Console,
    Webhook(Arc<Webhook>),
    #[cfg(test)]
    Recorder(tokio::sync::mpsc::UnboundedSender<String>),
}

/// Why there is no gateway.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The configuration.
    #[error("[verification] {0}")]
    Config(#[from] VerificationConfigError),
    /// The provider's certificate cannot be checked.
    #[error("{0}; set [verification.webhook] ca_file or install ca-certificates")]
    Roots(#[from] RootsError),
}

/// Why a code was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Too many are on their way.
    #[error("{SENDS_IN_FLIGHT_MAX} codes are on their way already")]
    Busy,
    /// The provider.
    #[error("the provider: {0}")]
    Webhook(#[from] WebhookError),
}

impl Gateway {
    /// The gateway that `config` asks for.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn new(
        config: &VerificationConfig,
        domain: &str,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, GatewayError> {
        let way = match (config.webhook_plan()?, &config.webhook) {
            (Some(plan), Some(webhook)) => {
                Way::Webhook(Arc::new(Webhook::new(plan, webhook, provider)?))
            }
            _ => Way::Console,
        };
        Ok(Self {
            way,
            text: config.text_template()?,
            domain: domain.into(),
            places: Arc::new(Semaphore::new(SENDS_IN_FLIGHT_MAX)),
        })
    }

    /// One that gives the codes to a test.
    #[cfg(test)]
    pub(super) fn recorder() -> (Self, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let (codes, recorded) = tokio::sync::mpsc::unbounded_channel();
        let text = Template::parse("", &[]).unwrap();
        let places = Arc::new(Semaphore::new(SENDS_IN_FLIGHT_MAX));
        let gateway = Self { way: Way::Recorder(codes), text, domain: "".into(), places };
        (gateway, recorded)
    }

    /// Delivers a code; returns when the provider has it.
    ///
    /// # Errors
    /// [`DeliveryError`]; it has been logged.
    pub async fn deliver(&self, send: &SendCode) -> Result<(), DeliveryError> {
        let _place = self.places.try_acquire().map_err(|_| DeliveryError::Busy)?;
        let code = send.code.to_string();
        match &self.way {
            Way::Console => {
                // The one place where a code may be logged: this gateway is the log.
                tracing::info!(number = %send.number, code, "a code to verify a number");
                Ok(())
            }
            #[cfg(test)]
            Way::Recorder(codes) => {
                codes.send(code).unwrap();
                Ok(())
            }
            Way::Webhook(webhook) => {
                let values = [("code", code.as_str()), ("domain", &self.domain)];
                let text = self.text.fill(&values, Escape::None);
                let sent = webhook.send(send.number, &code, &text).await;
                sent.inspect_err(|error| {
                    tracing::error!(number = ?send.number, %error, "a code was not delivered");
                })?;
                Ok(())
            }
        }
    }
}

/// Messages on their way to the provider.
const SENDS_IN_FLIGHT_MAX: usize = 64;
