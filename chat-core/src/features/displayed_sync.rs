//! XEP-0490 Message Displayed Synchronization, server assist: the mark that a client puts into a
//! message of its own is taken out of it, and published on the account's node.
//!
//! The node itself is one of XEP-0060; [`super::pubsub::Configuration`] keeps it private.

use std::sync::Arc;

use super::{Feature, pubsub};
use crate::context::Context;
use crate::jid::Jid;
use crate::ns;
use crate::stanza::{Child, Rewrite, Stanza, StanzaError};
use crate::xml::{Element, Limits};

pub(super) const FEATURE: Feature =
    Feature { account_features: &[ns::DISPLAYED_SYNC_ASSIST], ..Feature::named("displayed-sync") };

/// A message, and the mark that was in it.
pub(super) struct Marked {
    displayed: Element,
    /// What others see of it.
    pub(super) message: Arc<Stanza>,
}

impl Marked {
    /// Takes the mark out of a message that a client sends; `None` where there is none.
    ///
    /// # Errors
    /// `bad-request` where what is left is no message: the mark must not go on with it.
    pub(super) fn take(stanza: &Stanza) -> Result<Option<Marked>, StanzaError> {
        let Some(displayed) = stanza.child("displayed", ns::DISPLAYED_SYNC) else {
            return Ok(None);
        };
        let is_mark = |child: &Child<'_>| child.is("displayed", ns::DISPLAYED_SYNC);
        let rest = stanza.render(&Rewrite { drop: Some(&is_mark), ..Rewrite::default() });
        let message =
            Stanza::parse(rest, &Limits::STORED).map_err(|_| StanzaError::bad_request())?;
        Ok(Some(Marked { displayed, message: Arc::new(message) }))
    }

    /// Publishes the mark; the item is named by whom the message is for.
    ///
    /// # Errors
    /// As [`pubsub::put`].
    pub(super) fn publish(&self, ctx: &mut Context<'_>, to: &Jid) -> Result<(), StanzaError> {
        pubsub::put(ctx, ns::DISPLAYED_SYNC, to.as_str(), &self.displayed)
    }
}
