//! WebSocket frames (RFC 6455): bytes mean the same in whatever pieces they come, limits hold, and
//! a connection between messages holds no memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use whimbrel::chat::websocket::{CONTROL_BYTES_MAX, Event, Fault, WebSocket};

const MESSAGE_BYTES_MAX: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece_bytes, bytes)) = bytes.split_first() else { return };
    let whole = read_all([bytes]);
    let pieces = read_all(bytes.chunks(usize::from(piece_bytes).max(1)));
    assert_eq!(whole, pieces);
    let (events, outcome) = whole;
    for event in &events {
        match event {
            Event::Text(text) => assert!(text.len() <= MESSAGE_BYTES_MAX),
            Event::Ping(payload) => assert!(payload.len() <= CONTROL_BYTES_MAX),
            Event::Close { code } => assert!(code.is_none_or(|code| code.may_be_sent())),
            Event::Pong => {}
        }
    }
    let closes = |event: &Event| matches!(event, Event::Close { .. });
    let first_close = events.iter().position(closes);
    assert!(first_close.is_none_or(|first| first == events.len() - 1), "read behind a close");
    if let Err(fault) = outcome {
        assert!(fault.code().may_be_sent());
    }
});

fn read_all<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Result<(), Fault>) {
    let mut socket = WebSocket::new(MESSAGE_BYTES_MAX);
    let mut events = Vec::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            match socket.read(piece) {
                Ok((used, event)) => {
                    piece = &piece[used..];
                    events.extend(event);
                }
                Err(fault) => return (events, Err(fault)),
            }
            assert!(socket.held_bytes() <= 2 * MESSAGE_BYTES_MAX + 2 * CONTROL_BYTES_MAX);
        }
    }
    (events, Ok(()))
}
