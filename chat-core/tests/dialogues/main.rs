//! Dialogues of clients with a server that has neither sockets nor a disk, a file per feature.

mod addable;
mod archive;
mod archive_preferences;
mod archive_quota;
mod blocking;
mod call;
mod call_schedules;
mod client_access;
mod contact_lookup;
mod delete_for_me;
mod device_lists;
mod devices;
mod discovery;
mod displayed_sync;
mod join_requests;
mod key_packages;
mod login;
mod messages;
mod negative_priority;
mod number_change;
mod profile;
mod pubsub;
mod pubsub_affiliations;
mod push;
mod registration;
mod reporting;
mod retraction;
mod rooms;
mod rooms_muc;
mod roster;
mod services;
mod vcard4;
mod web_push;
#[path = "../world/mod.rs"]
mod world;
