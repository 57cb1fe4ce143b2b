//! XEP-0045 Multi-User Chat: rooms as clients know them that join.
//!
//! Who has joined is known by the sessions themselves; a room that leaves memory forgets nobody.

mod admin;
mod history;
mod invite;
mod join;
mod nick;
mod notices;
mod occupants;
mod owner;
mod presence;
mod versioning;

pub(crate) use admin::{change_affiliations, show_affiliations};
pub(crate) use invite::mediate;
pub(crate) use nick::set_nick;
pub(crate) use notices::{show_configuration_changed, show_destroyed, show_members_changed};
pub(crate) use occupants::{ask_occupant, joined, joined_accounts};
pub(crate) use owner::{configure, show_configuration};
pub(crate) use presence::receive_presence;
