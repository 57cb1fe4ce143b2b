//! Answers to a stanza (RFC 6120 8.1.3, 8.2.3, 8.3.1).

use super::{Kind, Stanza, StanzaError};
use crate::ns;
use crate::xml::Element;

impl Stanza {
    /// The stanza that tells its sender why it is refused. What it held is left out.
    ///
    /// Whoever sends it has made sure that [`Stanza::is_error`] is false: errors are not
    /// answered.
    pub fn error_reply(&self, error: &StanzaError) -> Element {
        self.reply("error").with_child(error.to_element())
    }

    /// The result of an IQ, with what it holds.
    pub fn iq_result(&self, payload: Option<Element>) -> Element {
        debug_assert_eq!(self.kind, Kind::Iq, "only IQs have results");
        let result = self.reply("result");
        match payload {
            Some(payload) => result.with_child(payload),
            None => result,
        }
    }

    /// The empty stanza of the same name and id that goes back.
    fn reply(&self, reply_type: &'static str) -> Element {
        let mut reply =
            Element::new(self.name().to_owned(), ns::CLIENT).with_attr("type", reply_type);
        if let Some(id) = self.id() {
            reply.set_attr("id", id);
        }
        // As written: where it is malformed, that is what the error is about.
        if let Some(to) = self.attr("to") {
            reply.set_attr("from", to);
        }
        if let Some(from) = self.from() {
            reply.set_attr("to", from.as_str());
        }
        reply
    }
}
