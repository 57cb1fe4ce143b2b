//! The chat server's rim: sockets, WebSocket framing, storage and threads around `chat_core`.

pub mod accounts;
pub mod api;
pub mod config;
pub mod gateway;
pub mod registration;
pub mod storage;
pub mod websocket;
