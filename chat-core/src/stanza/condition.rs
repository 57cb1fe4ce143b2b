//! Stanza errors' types and conditions (RFC 6120 8.3.2 and 8.3.3).

/// What a sender may do about an error (RFC 6120 8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorType {
    /// Retry after showing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// It was a warning only.
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// As the attribute `type` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }
}

/// What went wrong (RFC 6120 8.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// 8.3.3.1: malformed or not processable.
    BadRequest,
    /// 8.3.3.2: a resource or session of this name exists.
    Conflict,
    /// 8.3.3.3: the feature is not implemented.
    FeatureNotImplemented,
    /// 8.3.3.4: permission is lacking.
    Forbidden,
    /// 8.3.3.5: no longer to be reached here; perhaps at this URI.
    Gone(Option<String>),
    /// 8.3.3.6: misconfiguration or an undefined error of the server.
    InternalServerError,
    /// 8.3.3.7: no such item.
    ItemNotFound,
    /// 8.3.3.8: an address breaks the rules.
    JidMalformed,
    /// 8.3.3.9: it does not meet the recipient's criteria.
    NotAcceptable,
    /// 8.3.3.10: nobody may do this.
    NotAllowed,
    /// 8.3.3.11: credentials are needed first.
    NotAuthorized,
    /// 8.3.3.12: local policy is violated.
    PolicyViolation,
    /// 8.3.3.13: the recipient is unavailable for now.
    RecipientUnavailable,
    /// 8.3.3.14: ask at this URI instead.
    Redirect(String),
    /// 8.3.3.15: registration is required first.
    RegistrationRequired,
    /// 8.3.3.16: the other server does not exist.
    RemoteServerNotFound,
    /// 8.3.3.17: the other server cannot be reached in time.
    RemoteServerTimeout,
    /// 8.3.3.18: too much is asked for now.
    ResourceConstraint,
    /// 8.3.3.19: the service is not provided.
    ServiceUnavailable,
    /// 8.3.3.20: a subscription is required first.
    SubscriptionRequired,
    /// 8.3.3.21: none of the others; goes with a condition of the application.
    UndefinedCondition,
    /// 8.3.3.22: not expected now.
    UnexpectedRequest,
}

impl Condition {
    /// The name of its element.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Conflict => "conflict",
            Self::FeatureNotImplemented => "feature-not-implemented",
            Self::Forbidden => "forbidden",
            Self::Gone(_) => "gone",
            Self::InternalServerError => "internal-server-error",
            Self::ItemNotFound => "item-not-found",
            Self::JidMalformed => "jid-malformed",
            Self::NotAcceptable => "not-acceptable",
            Self::NotAllowed => "not-allowed",
            Self::NotAuthorized => "not-authorized",
            Self::PolicyViolation => "policy-violation",
            Self::RecipientUnavailable => "recipient-unavailable",
            Self::Redirect(_) => "redirect",
            Self::RegistrationRequired => "registration-required",
            Self::RemoteServerNotFound => "remote-server-not-found",
            Self::RemoteServerTimeout => "remote-server-timeout",
            Self::ResourceConstraint => "resource-constraint",
            Self::ServiceUnavailable => "service-unavailable",
            Self::SubscriptionRequired => "subscription-required",
            Self::UndefinedCondition => "undefined-condition",
            Self::UnexpectedRequest => "unexpected-request",
        }
    }

    /// The type that RFC 6120 recommends for it.
    pub fn usual_type(&self) -> ErrorType {
        match self {
            Self::Forbidden
            | Self::NotAuthorized
            | Self::RegistrationRequired
            | Self::SubscriptionRequired => ErrorType::Auth,
            Self::BadRequest
            | Self::JidMalformed
            | Self::NotAcceptable
            | Self::PolicyViolation
            | Self::Redirect(_) => ErrorType::Modify,
            Self::RecipientUnavailable
            | Self::RemoteServerTimeout
            | Self::ResourceConstraint
            | Self::UnexpectedRequest => ErrorType::Wait,
            Self::Conflict
            | Self::FeatureNotImplemented
            | Self::Gone(_)
            | Self::InternalServerError
            | Self::ItemNotFound
            | Self::NotAllowed
            | Self::RemoteServerNotFound
            | Self::ServiceUnavailable
            | Self::UndefinedCondition => ErrorType::Cancel,
        }
    }
}
