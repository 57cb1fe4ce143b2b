//! Dialogues: what a client says (`C:`), what the server says (`S:`), what the stream asks of its
//! connection (`-`), and what happens meanwhile (`*`).

mod dialogue;
mod fast;
mod hostile;
mod opening;
mod registration;
mod sasl1;
mod sasl2;
mod websocket;

use dialogue::{Dialogue, Setup, check};
