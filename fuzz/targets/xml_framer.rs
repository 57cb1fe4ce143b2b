//! Streams (RFC 6120 4): pieces give the frames of the whole, and no more is kept than allowed.
#![no_main]

use chat_core::xml::{Frame, Framer, Limits, XmlError};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    element_bytes_max: 1024,
    depth_max: 8,
    attributes_max: 8,
    children_max: 16,
    declarations_max: 16,
};
const HEADER: &[u8] =
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

fuzz_target!(|input: (bool, Vec<u8>, &[u8])| {
    let (with_header, cuts, bytes) = input;
    let header = if with_header { HEADER } else { b"" };
    let stream = [header, bytes].concat();
    let whole = frames([&stream[..]]);
    assert_eq!(frames(pieces(&stream, &cuts)), whole);
});

fn pieces<'a>(mut rest: &'a [u8], cuts: &[u8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for &cut in cuts {
        let (piece, after) = rest.split_at(rest.len().min(usize::from(cut)));
        pieces.push(piece);
        rest = after;
    }
    pieces.extend(rest.chunks(1));
    pieces
}

fn frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Frame>, Result<(), XmlError>) {
    let mut framer = Framer::new();
    let mut frames = Vec::new();
    for piece in pieces {
        framer.push(piece);
        loop {
            match framer.next(&LIMITS) {
                Ok(Some(frame)) => {
                    if let Frame::Element(bytes) = &frame {
                        assert!(bytes.len() <= LIMITS.element_bytes_max);
                    }
                    frames.push(frame);
                }
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
        assert!(framer.buffer().len() <= LIMITS.element_bytes_max);
    }
    (frames, Ok(()))
}
