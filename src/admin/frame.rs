//! Frames on the admin socket: a length (4 bytes, big endian), then that much JSON. Descriptors
//! ride with a frame's first byte (unix(7), SCM_RIGHTS).

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A longer frame is refused.
pub const FRAME_BYTES_MAX: usize = 64 << 10;
/// Descriptors that one frame carries at most.
pub const DESCRIPTORS_MAX: usize = 32;
const LENGTH_BYTES: usize = 4;

/// Sends one frame.
pub fn send(stream: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    send_with(stream, message, &[])
}

/// Sends one frame and descriptors with it.
pub fn send_with(
    mut stream: &UnixStream,
    message: &impl Serialize,
    descriptors: &[BorrowedFd],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    if body.len() > FRAME_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
        return Err(io::Error::other("the frame is too large"));
    }
    let mut frame = (body.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    if descriptors.is_empty() {
        return stream.write_all(&frame);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fits = ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
    assert!(fits, "the space is for DESCRIPTORS_MAX");
    let sent = sendmsg(stream, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::NOSIGNAL)?;
    stream.write_all(&frame[sent..])
}

/// Receives one frame; `None` where the other side has closed before its first byte.
pub fn receive<T: DeserializeOwned>(stream: &UnixStream) -> io::Result<Option<(T, Vec<OwnedFd>)>> {
    let mut descriptors = Vec::new();
    let mut length = [0; LENGTH_BYTES];
    let mut have = 0;
    while have < LENGTH_BYTES {
        match receive_some(stream, &mut length[have..], &mut descriptors)? {
            0 if have == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => have += more,
        }
    }
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut body = vec![0; bytes];
    let mut stream = stream;
    stream.read_exact(&mut body)?;
    Ok(Some((serde_json::from_slice(&body)?, descriptors)))
}

fn receive_some(
    stream: &UnixStream,
    buffer: &mut [u8],
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut vectors = [IoSliceMut::new(buffer)];
    let received = loop {
        match recvmsg(stream.as_fd(), &mut vectors, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(passed) = message {
            descriptors.extend(passed);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_carries_text_and_descriptors() {
        let (one, two) = UnixStream::pair().unwrap();
        let (mut end, passed) = UnixStream::pair().unwrap();
        send_with(&one, &"take these", &[passed.as_fd(), passed.as_fd()]).unwrap();
        send(&one, &"no more").unwrap();
        drop((one, passed));
        let (text, descriptors) = receive::<String>(&two).unwrap().unwrap();
        assert_eq!((text.as_str(), descriptors.len()), ("take these", 2));
        UnixStream::from(descriptors.into_iter().next().unwrap()).write_all(b"x").unwrap();
        let mut byte = [0];
        end.read_exact(&mut byte).unwrap();
        assert_eq!(receive::<String>(&two).unwrap().unwrap().0, "no more");
        assert!(receive::<String>(&two).unwrap().is_none());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x05\"ab", b"\0\0", b"\0\0\0\x01{"] {
            let (mut one, two) = UnixStream::pair().unwrap();
            one.write_all(bytes).unwrap();
            drop(one);
            assert!(receive::<String>(&two).is_err(), "{bytes:?}");
        }
    }
}
