//! The chat server's rim: sockets, WebSocket framing, storage and threads around `chat_core`.

pub mod gateway;
pub mod storage;
