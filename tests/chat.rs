//! Chat as its clients see it: scenarios, played by slixmpp against a server process.
//!
//! They share one server and one process of clients; each has accounts of its own.

mod process;

#[path = "chat/archive.rs"]
mod archive;
#[path = "chat/binding.rs"]
mod binding;
#[path = "chat/blocking.rs"]
mod blocking;
#[path = "chat/calls.rs"]
mod calls;
#[path = "chat/carbons.rs"]
mod carbons;
#[path = "chat/clients.rs"]
mod clients;
#[path = "chat/gajim.rs"]
mod gajim;
#[path = "chat/groups.rs"]
mod groups;
#[path = "chat/login.rs"]
mod login;
#[path = "chat/messages.rs"]
mod messages;
#[path = "chat/offline.rs"]
mod offline;
#[path = "chat/one_exchange.rs"]
mod one_exchange;
#[path = "chat/pep.rs"]
mod pep;
#[path = "chat/presence.rs"]
mod presence;
#[path = "chat/profanity.rs"]
mod profanity;
#[path = "chat/prosody.rs"]
mod prosody;
#[path = "chat/resumption.rs"]
mod resumption;
#[path = "chat/roster.rs"]
mod roster;
#[path = "chat/server.rs"]
mod server;
#[path = "chat/services.rs"]
mod services;
#[path = "chat/stage.rs"]
mod stage;
#[path = "support/tls.rs"]
mod tls;
#[path = "chat/wire.rs"]
mod wire;
#[path = "chat/xml.rs"]
mod xml;
