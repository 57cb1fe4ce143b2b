//! What is wrong with XML (XML 1.0, RFC 6120 4.9.3 and 11.1).

use thiserror::Error;

/// Why bytes are not XML that may be forwarded. Positions (`at`) are bytes into what was parsed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum XmlError {
    /// Not UTF-8.
    #[error("not UTF-8 at byte {at}")]
    NotUtf8 {
        /// The first wrong byte.
        at: usize,
    },
    /// An XML declaration, or the first bytes, name another encoding than UTF-8.
    #[error("encoding {declared:?} is not UTF-8")]
    Encoding {
        /// As declared or recognised.
        declared: Box<str>,
    },
    /// A character that XML 1.0 does not allow, literally or by reference.
    #[error("character U+{code:04X} at byte {at} is not allowed in XML")]
    Character {
        /// Where it is.
        at: usize,
        /// The code point.
        code: u32,
    },
    /// Something else stands where XML demands this.
    #[error("expected {expected} at byte {at}")]
    Syntax {
        /// Where.
        at: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// An end tag closes another element than the open one.
    #[error("</{closed}> at byte {at} closes <{open}>")]
    Mismatched {
        /// Where the end tag is.
        at: usize,
        /// The name of the open element.
        open: Box<str>,
        /// The name in the end tag.
        closed: Box<str>,
    },
    /// Two attributes of one name (or of one local name and namespace).
    #[error("attribute {name} at byte {at} is there twice")]
    DuplicateAttribute {
        /// Where the second is.
        at: usize,
        /// Its name as written.
        name: Box<str>,
    },
    /// A reference to an entity other than the five predefined ones, or a malformed one.
    #[error("no such reference: {reference:?} at byte {at}")]
    Reference {
        /// Where it is.
        at: usize,
        /// As written, cut short.
        reference: Box<str>,
    },
    /// What RFC 6120 11.1 forbids on a stream.
    #[error("{refused} at byte {at}")]
    Restricted {
        /// Where it is.
        at: usize,
        /// Which of them.
        refused: Refused,
    },
    /// A prefix that is not declared inside the element.
    #[error("prefix {prefix:?} at byte {at} is not declared")]
    UndeclaredPrefix {
        /// Where it is used.
        at: usize,
        /// The prefix.
        prefix: Box<str>,
    },
    /// A declaration that Namespaces in XML 1.0 forbids.
    #[error("{declaration} at byte {at} is not a lawful namespace declaration")]
    Declaration {
        /// Where it is.
        at: usize,
        /// The attribute's name.
        declaration: Box<str>,
    },
    /// The first element of a stream is not a stream header.
    #[error("<{name}> does not open a stream")]
    NotAStream {
        /// The name as written.
        name: Box<str>,
    },
    /// The stream's own prefix is not bound to `http://etherx.jabber.org/streams`.
    #[error("the prefix \"stream\" is bound to {namespace:?}")]
    StreamNamespace {
        /// What it is bound to.
        namespace: Box<str>,
    },
    /// More bytes than allowed.
    #[error("longer than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// Nested deeper than allowed.
    #[error("nested deeper than {depth_max} elements")]
    TooDeep {
        /// The limit.
        depth_max: usize,
    },
    /// More attributes in one tag than allowed.
    #[error("more than {attributes_max} attributes")]
    TooManyAttributes {
        /// The limit.
        attributes_max: usize,
    },
    /// More elements inside than allowed.
    #[error("more than {children_max} elements inside")]
    TooManyChildren {
        /// The limit.
        children_max: usize,
    },
    /// More namespace declarations in scope at once than allowed.
    #[error("more than {declarations_max} namespace declarations in scope")]
    TooManyDeclarations {
        /// The limit.
        declarations_max: usize,
    },
    /// A namespace whose name has more bytes than allowed.
    #[error("a namespace longer than {bytes_max} bytes")]
    NamespaceTooLong {
        /// The limit.
        bytes_max: usize,
    },
}

/// What RFC 6120 11.1 forbids on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refused {
    /// `<!-- … -->`
    #[error("a comment")]
    Comment,
    /// `<!DOCTYPE …` and other declarations.
    #[error("a document type declaration")]
    DocumentType,
    /// `<? … ?>`, and an XML declaration anywhere but before a stream header.
    #[error("a processing instruction")]
    ProcessingInstruction,
}

impl XmlError {
    /// The stream error's condition (RFC 6120 4.9.3).
    pub fn stream_condition(&self) -> &'static str {
        match self {
            // RFC 6120 4.9.3.22 counts violations of UTF-8 as a wrong encoding.
            Self::NotUtf8 { .. } | Self::Encoding { .. } => "unsupported-encoding",
            Self::Character { .. }
            | Self::Syntax { .. }
            | Self::Mismatched { .. }
            | Self::DuplicateAttribute { .. }
            | Self::Declaration { .. } => "not-well-formed",
            // RFC 6120 11.1 lists entity references among the restricted features.
            Self::Reference { .. } | Self::Restricted { .. } => "restricted-xml",
            Self::UndeclaredPrefix { .. } => "bad-namespace-prefix",
            Self::NotAStream { .. } => "bad-format",
            Self::StreamNamespace { .. } => "invalid-namespace",
            Self::TooLarge { .. }
            | Self::TooDeep { .. }
            | Self::TooManyAttributes { .. }
            | Self::TooManyChildren { .. }
            | Self::TooManyDeclarations { .. }
            | Self::NamespaceTooLong { .. } => "policy-violation",
        }
    }
}
