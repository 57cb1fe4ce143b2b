//! Stanza errors (RFC 6120 8.3).

use std::borrow::Cow;

use thiserror::Error;

use super::condition::{Condition, ErrorType};
use crate::ns;
use crate::xml::Element;

/// Why a stanza is refused (RFC 6120 8.3).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", .condition.name())]
pub struct StanzaError {
    /// What the sender may do about it.
    pub error_type: ErrorType,
    /// What went wrong.
    pub condition: Condition,
    /// Words for the log or a person, in English.
    pub text: Option<Cow<'static, str>>,
    /// A condition of the application's own.
    pub app: Option<Box<Element>>,
}

impl StanzaError {
    /// A condition with the type that RFC 6120 recommends for it.
    pub fn new(condition: Condition) -> Self {
        Self { error_type: condition.usual_type(), condition, text: None, app: None }
    }

    /// With another type.
    pub fn with_type(mut self, error_type: ErrorType) -> Self {
        self.error_type = error_type;
        self
    }

    /// With words.
    pub fn with_text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// With a condition of the application's own.
    pub fn with_app(mut self, app: Element) -> Self {
        self.app = Some(Box::new(app));
        self
    }

    /// `<error/>` in `jabber:client`.
    pub fn to_element(&self) -> Element {
        let mut condition = Element::new(self.condition.name(), ns::STANZA_ERRORS);
        if let Condition::Gone(Some(uri)) | Condition::Redirect(uri) = &self.condition {
            condition.push_text(uri);
        }
        let mut error = Element::new("error", ns::CLIENT)
            .with_attr("type", self.error_type.as_str())
            .with_child(condition);
        if let Some(text) = &self.text {
            let text = Element::new("text", ns::STANZA_ERRORS).with_lang("en").with_text(text);
            error.push(text);
        }
        if let Some(app) = &self.app {
            error.push(Element::clone(app));
        }
        error
    }

    /// `<gone/>`, perhaps with the URI that replaces what is gone.
    pub fn gone(uri: Option<String>) -> Self {
        Self::new(Condition::Gone(uri))
    }

    /// `<redirect/>` to a URI.
    pub fn redirect(uri: impl Into<String>) -> Self {
        Self::new(Condition::Redirect(uri.into()))
    }

    /// `<bad-request/>`
    pub fn bad_request() -> Self {
        Self::new(Condition::BadRequest)
    }

    /// `<conflict/>`
    pub fn conflict() -> Self {
        Self::new(Condition::Conflict)
    }

    /// `<feature-not-implemented/>`
    pub fn feature_not_implemented() -> Self {
        Self::new(Condition::FeatureNotImplemented)
    }

    /// `<forbidden/>`
    pub fn forbidden() -> Self {
        Self::new(Condition::Forbidden)
    }

    /// `<internal-server-error/>`
    pub fn internal_server_error() -> Self {
        Self::new(Condition::InternalServerError)
    }

    /// `<item-not-found/>`
    pub fn item_not_found() -> Self {
        Self::new(Condition::ItemNotFound)
    }

    /// `<jid-malformed/>`
    pub fn jid_malformed() -> Self {
        Self::new(Condition::JidMalformed)
    }

    /// `<not-acceptable/>`
    pub fn not_acceptable() -> Self {
        Self::new(Condition::NotAcceptable)
    }

    /// `<not-allowed/>`
    pub fn not_allowed() -> Self {
        Self::new(Condition::NotAllowed)
    }

    /// `<not-authorized/>`
    pub fn not_authorized() -> Self {
        Self::new(Condition::NotAuthorized)
    }

    /// `<policy-violation/>`
    pub fn policy_violation() -> Self {
        Self::new(Condition::PolicyViolation)
    }

    /// `<recipient-unavailable/>`
    pub fn recipient_unavailable() -> Self {
        Self::new(Condition::RecipientUnavailable)
    }

    /// `<registration-required/>`
    pub fn registration_required() -> Self {
        Self::new(Condition::RegistrationRequired)
    }

    /// `<remote-server-not-found/>`
    pub fn remote_server_not_found() -> Self {
        Self::new(Condition::RemoteServerNotFound)
    }

    /// `<remote-server-timeout/>`
    pub fn remote_server_timeout() -> Self {
        Self::new(Condition::RemoteServerTimeout)
    }

    /// `<resource-constraint/>`
    pub fn resource_constraint() -> Self {
        Self::new(Condition::ResourceConstraint)
    }

    /// `<service-unavailable/>`
    pub fn service_unavailable() -> Self {
        Self::new(Condition::ServiceUnavailable)
    }

    /// `<subscription-required/>`
    pub fn subscription_required() -> Self {
        Self::new(Condition::SubscriptionRequired)
    }

    /// `<undefined-condition/>`
    pub fn undefined_condition() -> Self {
        Self::new(Condition::UndefinedCondition)
    }

    /// `<unexpected-request/>`
    pub fn unexpected_request() -> Self {
        Self::new(Condition::UnexpectedRequest)
    }
}
