//! RFC 6120 4.9: errors that end a stream.

use std::fmt;

use bytes::Bytes;

use crate::ns;
use crate::xml::{Element, XmlError};

/// What a stream ends with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// What the client acts on.
    pub condition: StreamErrorCondition,
    /// What its developer reads.
    pub text: Option<String>,
    /// RFC 6120 4.9.4: an application-specific condition, serialised for `jabber:client`.
    pub application: Option<Bytes>,
}

impl StreamError {
    /// A condition and what its developer may read.
    pub fn new(condition: StreamErrorCondition, text: impl Into<String>) -> Self {
        Self { condition, text: Some(text.into()), application: None }
    }

    pub(super) fn to_element(&self) -> Element {
        let condition = Element::new(self.condition.name(), ns::STREAM_ERRORS);
        let mut error = Element::new("error", ns::STREAM).with_child(condition);
        if let Some(text) = &self.text {
            error.push(Element::new("text", ns::STREAM_ERRORS).with_lang("en").with_text(text));
        }
        if let Some(application) = &self.application {
            let pushed = error.push_raw(application.clone(), ns::CLIENT);
            debug_assert_eq!(pushed, Ok(()), "the server's own condition is well-formed");
        }
        error
    }
}

impl From<StreamErrorCondition> for StreamError {
    fn from(condition: StreamErrorCondition) -> Self {
        Self { condition, text: None, application: None }
    }
}

impl From<XmlError> for StreamError {
    fn from(error: XmlError) -> Self {
        Self::new(StreamErrorCondition::of(&error), error.to_string())
    }
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal;)*) => {
        /// The conditions of RFC 6120 4.9.3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum StreamErrorCondition {
            $($(#[$doc])* $variant,)*
        }

        impl StreamErrorCondition {
            /// The element's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

conditions! {
    /// XML that cannot be processed.
    BadFormat = "bad-format";
    /// A prefix that is not declared.
    BadNamespacePrefix = "bad-namespace-prefix";
    /// Another stream has taken this one's place.
    Conflict = "conflict";
    /// The client was silent for too long.
    ConnectionTimeout = "connection-timeout";
    /// The host is served no more.
    HostGone = "host-gone";
    /// The host is not served.
    HostUnknown = "host-unknown";
    /// An address is missing or wrong.
    ImproperAddressing = "improper-addressing";
    /// The server has a fault.
    InternalServerError = "internal-server-error";
    /// `from` is not who the client is.
    InvalidFrom = "invalid-from";
    /// Not the namespace of streams, or not `jabber:client`.
    InvalidNamespace = "invalid-namespace";
    /// XML that a schema forbids.
    InvalidXml = "invalid-xml";
    /// Something that needs a login came before it.
    NotAuthorized = "not-authorized";
    /// XML that is not well-formed.
    NotWellFormed = "not-well-formed";
    /// A limit or rule of the server.
    PolicyViolation = "policy-violation";
    /// A server that is needed cannot be reached.
    RemoteConnectionFailed = "remote-connection-failed";
    /// What the stream was negotiated by has changed.
    Reset = "reset";
    /// The server is short of something.
    ResourceConstraint = "resource-constraint";
    /// A comment, a processing instruction, a DTD, an entity.
    RestrictedXml = "restricted-xml";
    /// Another host serves the client.
    SeeOtherHost = "see-other-host";
    /// The server stops.
    SystemShutdown = "system-shutdown";
    /// None of the others.
    UndefinedCondition = "undefined-condition";
    /// Not UTF-8.
    UnsupportedEncoding = "unsupported-encoding";
    /// The client cannot do without a feature.
    UnsupportedFeature = "unsupported-feature";
    /// No stanza, and nothing that was negotiated.
    UnsupportedStanzaType = "unsupported-stanza-type";
    /// A version of XMPP before 1.0.
    UnsupportedVersion = "unsupported-version";
}

impl StreamErrorCondition {
    fn of(error: &XmlError) -> Self {
        let condition = Self::from_name(error.stream_condition());
        debug_assert!(condition.is_some(), "{} is a condition", error.stream_condition());
        condition.unwrap_or(Self::BadFormat)
    }
}

impl fmt::Display for StreamErrorCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
