//! Frames as bytes, and what they mean.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const BYTES_MAX: usize = 1 << 17;

/// A client's frame; the length in its shortest form.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = FrameHead::text(payload.len()).to_vec();
    bytes[0] = first;
    bytes[1] |= MASKED;
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn read_all(socket: &mut WebSocket, mut bytes: &[u8]) -> Result<Vec<Event>, Fault> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let (used, event) = socket.read(bytes)?;
        bytes = &bytes[used..];
        events.extend(event);
    }
    Ok(events)
}

/// Whatever the pieces are in which bytes arrive, they mean the same.
fn check(bytes: &[u8], expected: Result<&[Event], Fault>) {
    let whole = read_all(&mut WebSocket::new(BYTES_MAX), bytes);
    assert_eq!(whole.as_deref(), expected.as_ref().copied(), "{bytes:x?}");
    let mut socket = WebSocket::new(BYTES_MAX);
    let mut events = Vec::new();
    let outcome = bytes.iter().try_for_each(|byte| {
        events.extend(read_all(&mut socket, &[*byte])?);
        Ok(())
    });
    match expected {
        Ok(expected) => assert_eq!((outcome, events.as_slice()), (Ok(()), expected)),
        Err(fault) => assert_eq!(outcome, Err(fault)),
    }
}

fn text_event(text: &str) -> Event {
    Event::Text(text.to_owned())
}

#[test]
fn the_examples_of_the_rfc() {
    // RFC 6455 5.7: a single-frame masked text message, and a ping.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    check(&hello, Ok(&[text_event("Hello")]));
    let mut sent = Vec::new();
    text(b"Hello", &mut sent);
    assert_eq!(sent, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    let ping = [0x89, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    check(&ping, Ok(&[Event::Ping(b"Hello".to_vec())]));
}

#[test]
fn lengths_in_each_of_their_forms() {
    for len in [0, 1, 125, 126, 127, 0xffff, 0x10000] {
        let payload = "x".repeat(len);
        check(&frame(0x81, payload.as_bytes()), Ok(&[Event::Text(payload)]));
    }
}

#[test]
fn control_frames_stand_between_fragments() {
    let bytes =
        [frame(0x01, b"a"), frame(0x89, b"p"), frame(0x00, b""), frame(0x80, "é".as_bytes())];
    check(&bytes.concat(), Ok(&[Event::Ping(b"p".to_vec()), text_event("aé")]));
    // A character may be split between frames.
    let (first, second) = "é".as_bytes().split_at(1);
    check(&[frame(0x01, first), frame(0x80, second)].concat(), Ok(&[text_event("é")]));
}

#[test]
fn a_close_ends_reading() {
    let closed = |code: Option<u16>| Event::Close { code: code.map(CloseCode) };
    check(&frame(0x88, b""), Ok(&[closed(None)]));
    check(&frame(0x88, b"\x03\xe8bye"), Ok(&[closed(Some(1000))]));
    let behind = [frame(0x88, b"\x0f\xa0"), frame(0x82, b"x"), vec![0xff; 9]].concat();
    check(&behind, Ok(&[closed(Some(4000))]));
    check(&frame(0x88, b"\x03"), Err(Fault::MalformedClose));
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        check(&frame(0x88, &code.to_be_bytes()), Err(Fault::MalformedClose));
    }
    check(&frame(0x88, b"\x03\xe8\xff"), Err(Fault::NotUtf8));
}

#[test]
fn faults_are_named() {
    check(&frame(0xc1, b""), Err(Fault::ReservedBits { bits: 0b100 }));
    check(&frame(0x83, b""), Err(Fault::UnknownOpcode { opcode: 3 }));
    check(&frame(0x8b, b""), Err(Fault::UnknownOpcode { opcode: 11 }));
    check(&frame(0x82, b"x"), Err(Fault::Binary));
    check(&frame(0x09, b""), Err(Fault::FragmentedControl));
    check(&frame(0x89, &[0; 126]), Err(Fault::LongControl { bytes: 126 }));
    check(&frame(0x80, b"x"), Err(Fault::NothingToContinue));
    check(&[frame(0x01, b"x"), frame(0x81, b"y")].concat(), Err(Fault::MessageInMessage));
    check(&frame(0x81, b"\xff"), Err(Fault::NotUtf8));
    check(&[0x81, 0x01], Err(Fault::NotMasked));
    let long_16 = [0x81, 0xfe, 0, 125, 0, 0, 0, 0];
    check(&long_16, Err(Fault::LengthNotMinimal { bytes: 125 }));
    let long_64 = [0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    check(&long_64, Err(Fault::LengthNotMinimal { bytes: 0xffff }));
    let highest = [0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    check(&highest, Err(Fault::LengthNotMinimal { bytes: 1 << 63 }));
}

#[test]
fn a_message_above_the_limit_is_refused_by_its_head() {
    let too_big = Fault::TooBig { bytes: BYTES_MAX as u64 + 1, bytes_max: BYTES_MAX };
    let head = &frame(0x81, &vec![b'x'; BYTES_MAX + 1])[..14];
    check(head, Err(too_big));
    let halves = [frame(0x01, b"x"), frame(0x80, &vec![b'x'; BYTES_MAX])].concat();
    check(&halves, Err(too_big));
    let fragments = [frame(0x01, b""), frame(0x00, b"").repeat(FRAGMENTS_MAX as usize)].concat();
    check(&fragments, Err(Fault::TooManyFragments));
}

#[test]
fn a_connection_between_messages_holds_nothing() {
    let mut socket = WebSocket::new(BYTES_MAX);
    let bytes = [frame(0x81, &[b'x'; 5000]), frame(0x89, b"ping")].concat();
    assert_eq!(read_all(&mut socket, &bytes).unwrap().len(), 2);
    assert_eq!(socket.held_bytes(), 0);
}

#[test]
fn a_reason_is_cut_between_characters() {
    let mut sent = Vec::new();
    close(CloseCode::NORMAL, &"é".repeat(100), &mut sent);
    assert_eq!(sent.len(), 2 + 2 + 122);
    assert!(std::str::from_utf8(&sent[4..]).is_ok());
}

proptest! {
    /// Messages in any fragments, in any pieces, with pings in between.
    #[test]
    fn what_is_sent_arrives(
        messages in vec("\\PC{0,300}", 1..6),
        fragment_bytes in 1_usize..400,
        piece_bytes in 1_usize..64,
        pings in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for message in &messages {
            let mut fragments: Vec<&[u8]> = message.as_bytes().chunks(fragment_bytes).collect();
            if fragments.is_empty() {
                fragments.push(b"");
            }
            let last = fragments.len() - 1;
            for (number, fragment) in fragments.into_iter().enumerate() {
                let fin = if number == last { FIN } else { 0 };
                let opcode = if number == 0 { OPCODE_TEXT } else { OPCODE_CONTINUATION };
                bytes.extend(frame(fin | opcode, fragment));
                if pings && number < last {
                    bytes.extend(frame(FIN | OPCODE_PING, b"?"));
                    expected.push(Event::Ping(b"?".to_vec()));
                }
            }
            expected.push(text_event(message));
        }
        let mut socket = WebSocket::new(BYTES_MAX);
        let mut events = Vec::new();
        for piece in bytes.chunks(piece_bytes) {
            events.extend(read_all(&mut socket, piece).unwrap());
        }
        prop_assert_eq!(events, expected);
        prop_assert_eq!(socket.held_bytes(), 0);
    }
}
