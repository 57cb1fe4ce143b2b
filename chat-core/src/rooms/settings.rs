//! What a room is called, and who may do what in it.

use super::{DESCRIPTION_BYTES_MAX, NAME_BYTES_MAX, NS};
use crate::stanza::StanzaError;
use crate::xml::Element;

/// A room's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// From birth, and never changed.
    pub(crate) kind: Kind,
    pub(crate) name: Box<str>,
    pub(crate) description: Box<str>,
    /// Who may send messages.
    pub(crate) post: Who,
    /// Who may add members and make invitations.
    pub(crate) add: Who,
    /// Who may change name, description, icon and subject.
    pub(crate) edit: Who,
    /// Members see what was written before they came.
    pub(crate) shows_history: bool,
    /// Who knows the address may ask to come in.
    pub(crate) takes_requests: bool,
    /// The SHA-1 of the icon, in hexadecimal digits.
    pub(crate) icon: Option<Box<str>>,
}

/// What a room's messages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// The server can read them.
    #[default]
    Open,
    /// They are sealed by MLS (RFC 9420); nothing else is taken.
    Encrypted,
}

/// Who may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Everyone,
    Admins,
}

impl Settings {
    pub(crate) fn new(kind: Kind) -> Settings {
        Settings {
            kind,
            name: "".into(),
            description: "".into(),
            post: Who::Everyone,
            add: Who::Admins,
            edit: Who::Everyone,
            shows_history: false,
            takes_requests: false,
            icon: None,
        }
    }

    /// Reads a record.
    pub(crate) fn read(value: &Element) -> Option<Settings> {
        let kind = if value.attr("kind") == Some(ENCRYPTED) { Kind::Encrypted } else { Kind::Open };
        let mut settings = Settings::new(kind);
        settings.change(value).ok()?;
        settings.icon = value.attr("icon").map(Into::into);
        Some(settings)
    }

    /// Takes what a request says of name, description and permissions; what it does not name
    /// stays.
    ///
    /// # Errors
    /// `not-acceptable` where a text is too long, `bad-request` where a value is unknown.
    pub(crate) fn change(&mut self, asked: &Element) -> Result<(), StanzaError> {
        if let Some(name) = asked.text_of("name", NS) {
            self.name = text(&name, NAME_BYTES_MAX)?;
        }
        if let Some(description) = asked.text_of("description", NS) {
            self.description = text(&description, DESCRIPTION_BYTES_MAX)?;
        }
        if let Some(permissions) = asked.child("permissions", NS) {
            self.permit(permissions)?;
        }
        Ok(())
    }

    fn permit(&mut self, permissions: &Element) -> Result<(), StanzaError> {
        let who = |name, before| permissions.attr(name).map_or(Ok(before), Who::parse);
        self.post = who("post", self.post)?;
        self.add = who("add", self.add)?;
        self.edit = who("edit", self.edit)?;
        let is = |name, before| permissions.attr(name).map_or(Ok(before), boolean);
        self.shows_history = is("history", self.shows_history)?;
        self.takes_requests = is("requests", self.takes_requests)?;
        Ok(())
    }

    /// As members see it, and as it is stored.
    pub(crate) fn describe(&self, group: &mut Element) {
        let text = |name, text: &str| Element::new(name, NS).with_text(text);
        if self.kind == Kind::Encrypted {
            group.set_attr("kind", ENCRYPTED);
        }
        if let Some(icon) = &self.icon {
            group.set_attr("icon", &**icon);
        }
        group.push(text("name", &self.name));
        group.push(text("description", &self.description));
        group.push(self.permissions());
    }

    pub(crate) fn permissions(&self) -> Element {
        Element::new("permissions", NS)
            .with_attr("post", self.post.as_str())
            .with_attr("add", self.add.as_str())
            .with_attr("edit", self.edit.as_str())
            .with_attr("history", self.shows_history.to_string())
            .with_attr("requests", self.takes_requests.to_string())
    }
}

impl Who {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Who::Everyone => "everyone",
            Who::Admins => "admins",
        }
    }

    fn parse(text: &str) -> Result<Who, StanzaError> {
        match text {
            "everyone" => Ok(Who::Everyone),
            "admins" => Ok(Who::Admins),
            _ => Err(StanzaError::bad_request()),
        }
    }
}

/// A text without space around it.
pub(crate) fn text(text: &str, bytes_max: usize) -> Result<Box<str>, StanzaError> {
    let text = text.trim();
    if text.len() > bytes_max {
        return Err(StanzaError::not_acceptable()
            .with_text(format!("the text is longer than {bytes_max} bytes")));
    }
    Ok(text.into())
}

/// XML Schema's boolean.
pub(crate) fn boolean(text: &str) -> Result<bool, StanzaError> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(StanzaError::bad_request()),
    }
}

pub(crate) const ENCRYPTED: &str = "encrypted";
