//! Who has a number, as far as that account lets the asking one know.

use super::{NAME, NOBODY, VISIBILITY};
use crate::context::Context;
use crate::features::blocking;
use crate::jid::{AccountId, Jid};
use crate::stanza::StanzaError;
use crate::transaction::{Answer, Query, Record, StorageError};
use crate::xml::Element;

/// An account that was found.
pub(super) struct Contact {
    pub(super) number: Box<str>,
    pub(super) jid: Jid,
}

type Found = Result<Vec<Contact>, StanzaError>;

type Then = Box<dyn FnOnce(&mut Context<'_>, Found) + Send>;

/// Finds accounts by their numbers.
pub(super) fn find(
    ctx: &mut Context<'_>,
    numbers: Vec<Box<str>>,
    then: impl FnOnce(&mut Context<'_>, Found) + Send + 'static,
) {
    ctx.ask(Query::Numbers(numbers), move |ctx, answer| match answer {
        Ok(Answer::Numbers(held)) => keep_visible(ctx, held, Vec::new(), Box::new(then)),
        _ => then(ctx, Err(StanzaError::internal_server_error())),
    });
}

/// Asks each account in turn what it lets others know.
fn keep_visible(
    ctx: &mut Context<'_>,
    mut held: Vec<(Box<str>, AccountId)>,
    mut found: Vec<Contact>,
    then: Then,
) {
    let Some((number, account)) = held.pop() else {
        // They were taken from the end.
        found.reverse();
        return then(ctx, Ok(found));
    };
    ctx.ask(Query::Account(account), move |ctx, answer| {
        let is_visible = match is_visible(&answer, &ctx.account.jid) {
            Ok(is_visible) => is_visible || account == ctx.account.id,
            Err(error) => return then(ctx, Err(error)),
        };
        let domain = ctx.config.domain.domain();
        let jid = Jid::from_parts(Some(&account.to_string()), domain, None);
        if let (true, Ok(jid)) = (is_visible, jid) {
            found.push(Contact { number, jid });
        }
        keep_visible(ctx, held, found, then);
    });
}

fn is_visible(answer: &Result<Answer, StorageError>, asking: &Jid) -> Result<bool, StanzaError> {
    let Ok(Answer::Account(stored)) = answer else {
        return Err(StanzaError::internal_server_error());
    };
    let Some(stored) = stored else { return Ok(false) };
    Ok(!stored.records.iter().any(|record| is_hidden(record) || blocking::blocks(record, asking)))
}

fn is_hidden(record: &Record) -> bool {
    let is_setting = &*record.feature == NAME && &*record.key == VISIBILITY;
    is_setting
        && Element::parse(&record.value, "")
            .is_ok_and(|visibility| visibility.attr("to") == Some(NOBODY))
}
