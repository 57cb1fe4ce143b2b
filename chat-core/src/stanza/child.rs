//! Children of a stanza, parsed when they are asked for.

use std::ops::Range;

use super::{ChildSpan, Stanza};
use crate::xml::{Element, Token, parse_scanned, unescape_attr};

/// An element directly in a stanza.
#[derive(Clone, Copy)]
pub struct Child<'a> {
    stanza: &'a Stanza,
    child: &'a ChildSpan,
}

impl<'a> Child<'a> {
    pub(super) fn new(stanza: &'a Stanza, child: &'a ChildSpan) -> Self {
        Self { stanza, child }
    }

    /// Its name, without a prefix.
    pub fn name(&self) -> &'a str {
        self.stanza.str(self.child.name)
    }

    /// Its namespace; "" if it has none.
    pub fn ns(&self) -> &'a str {
        self.stanza.resolve(&self.child.ns)
    }

    /// If this is its name and namespace.
    pub fn is(&self, name: &str, ns: &str) -> bool {
        self.name() == name && self.ns() == ns
    }

    /// Where it stands in the stanza's bytes.
    pub fn span(&self) -> Range<usize> {
        self.child.span.range()
    }

    /// An attribute of its start tag without a prefix.
    pub fn attr(&self, name: &str) -> Option<String> {
        let mut scanner = self.stanza.scanner_of(self.span());
        let Ok(Some(Token::Start(_))) = scanner.next() else { return None };
        let found = scanner.attributes().iter().find(|a| scanner.text(a.name.whole) == name)?;
        Some(unescape_attr(scanner.text(found.value)).into_owned())
    }

    /// It as a tree.
    pub fn element(&self) -> Element {
        parse_scanned(self.stanza.scanner_of(self.span())).expect("it is checked")
    }
}
