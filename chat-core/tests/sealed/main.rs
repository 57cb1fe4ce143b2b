//! Encrypted rooms: clients of openmls over the chat core (docs/protocol/mls.md, "Rooms").

mod attacks;
mod calls;
mod client;
mod conversation;
mod random;
#[path = "../world/mod.rs"]
mod world;
