//! XEP-0059 Result Set Management.

use crate::ns;
use crate::stanza::StanzaError;
use crate::xml::Element;

/// Which page is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// At most this many; none asked means as many as the server likes.
    pub(crate) max: Option<u32>,
    /// Behind the item with this id.
    pub(crate) after: Option<String>,
    /// Before the item with this id; empty for the last page.
    pub(crate) before: Option<String>,
}

impl Page {
    /// Reads `<set/>` from a query.
    ///
    /// # Errors
    /// `bad-request` where `max` is no number; `feature-not-implemented` where a page is asked
    /// for by its index.
    pub(crate) fn read(query: &Element) -> Result<Page, StanzaError> {
        let Some(set) = query.child("set", ns::RSM) else { return Ok(Page::default()) };
        if set.child("index", ns::RSM).is_some() {
            return Err(StanzaError::feature_not_implemented());
        }
        let text = |name| set.text_of(name, ns::RSM).map(|text| text.trim().to_owned());
        let max = text("max").map(|max| max.parse().map_err(|_| StanzaError::bad_request()));
        Ok(Page { max: max.transpose()?, after: text("after"), before: text("before") })
    }
}

/// What a page turned out to be.
pub(crate) fn set(first: Option<String>, last: Option<String>, count: Option<u64>) -> Element {
    let mut set = Element::new("set", ns::RSM);
    let texts = [("first", first), ("last", last), ("count", count.map(|count| count.to_string()))];
    for (name, text) in texts {
        if let Some(text) = text {
            set.push(Element::new(name, ns::RSM).with_text(text));
        }
    }
    set
}
