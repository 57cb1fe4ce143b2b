//! The chat server's rim: sockets, WebSocket framing and threads around `chat_core`.

pub mod gateway;
