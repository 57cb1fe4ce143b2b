//! Leaves that the next commit is to remove: of who is no member any more, and of devices that have
//! been silent for so long that their keys are a risk. The server cannot commit; it names them.

use super::super::RoomContext;
use crate::access::{Access, FEATURE};
use crate::date_time;
use crate::jid::AccountId;
use crate::mls::{LeafName, NS};
use crate::transaction::{Answer, Query, Record};
use crate::xml::Element;

/// Leaves whose account is no member any more.
pub(super) fn gone(ctx: &RoomContext<'_>) -> Vec<Element> {
    let leaves = ctx.room.sealed.group.iter().flat_map(|group| group.leaves());
    let gone = leaves.filter(|leaf| !ctx.room.members.contains_key(&leaf.account));
    gone.map(|leaf| Element::new("gone", NS).with_attr("leaf", leaf.to_string())).collect()
}

/// Leaves of silent devices, once storage has said which these are.
pub(super) fn find(
    ctx: &mut RoomContext<'_>,
    then: impl FnOnce(&mut RoomContext<'_>, Vec<Element>) + Send + 'static,
) {
    let accounts = ctx.room.members.keys().copied().collect();
    ctx.ask(Query::Records { accounts, feature: FEATURE }, move |ctx, answer| {
        let silent = match answer {
            Ok(Answer::Records(records)) => silent(ctx, &records),
            _ => Vec::new(),
        };
        then(ctx, silent);
    });
}

fn silent(ctx: &RoomContext<'_>, records: &[(AccountId, Vec<Record>)]) -> Vec<Element> {
    let now_unix_s = ctx.now.unix_ms / 1000;
    let mut silent = Vec::new();
    for (account, records) in records {
        for device in Access::load(*account, records).devices() {
            let leaf = LeafName { account: *account, device: device.id.clone() };
            let is_silent = now_unix_s.saturating_sub(device.seen_unix_s) >= SILENT_S;
            if is_silent && !is_there(ctx, &leaf) && has_leaf(ctx, &leaf) {
                let since = date_time::format(device.seen_unix_s * 1000);
                let element = Element::new("silent", NS).with_attr("leaf", leaf.to_string());
                silent.push(element.with_attr("since", since));
            }
        }
    }
    silent
}

fn has_leaf(ctx: &RoomContext<'_>, leaf: &LeafName) -> bool {
    ctx.room.sealed.group.as_ref().is_some_and(|group| group.has(leaf))
}

/// A device may stay for long without another log-in.
fn is_there(ctx: &RoomContext<'_>, leaf: &LeafName) -> bool {
    let sessions = ctx.accounts.get(&leaf.account).into_iter().flat_map(|it| &it.sessions);
    let mut devices = sessions.filter_map(|session| session.extra.as_ref()?.device.as_ref());
    devices.any(|device| *device == leaf.device)
}

/// 30 days.
const SILENT_S: u64 = 30 * 24 * 3600;
