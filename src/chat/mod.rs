//! The chat server's rim: sockets, WebSocket framing, storage and threads around `chat_core`.
//!
//! `listener` spreads clients over the threads of `shard`; a `connection` frames elements and drives
//! its stream until it has logged in, then passes elements on to the core, whose own thread is the
//! `driver`. What the core says comes back through each thread's inbox.

pub mod accounts;
mod addresses;
pub mod api;
pub mod backups;
mod clock;
pub mod config;
mod connection;
pub mod core_queue;
mod driver;
pub mod external_services;
pub mod gateway;
pub mod listener;
pub mod metrics;
pub mod objects;
mod orders;
mod outgoing;
mod pace;
pub mod previews;
mod pulse;
pub mod push;
pub mod registration;
pub mod running;
mod secret;
pub mod shard;
mod slots;
pub mod storage;
mod transport;
pub mod websocket;
mod wire;
