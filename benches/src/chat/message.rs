//! The message that is measured: it carries who sent it as which one, and when.

use crate::xmpp::find;

/// What a message's body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which run it belongs to: archives and offline stores keep those of earlier ones.
    pub run: u32,
    pub direction: usize,
    /// Its number in its direction, from 0.
    pub sequence: u64,
    /// When it was due to be sent, in nanoseconds of the run's clock.
    pub intended_ns: u64,
}

/// How messages are written.
#[derive(Clone, Copy, Debug)]
pub struct Composer {
    /// Bytes of a whole stanza; a stamp that needs more makes it longer.
    pub stanza_bytes: usize,
    /// XEP-0334: the server is asked to keep no copy.
    pub no_store: bool,
}

/// A copy as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    pub stamp: Stamp,
    /// The sender's JID, of the message itself where a carbon wraps it.
    pub from: &'a [u8],
}

impl Composer {
    /// Writes the stanza to a bare or full JID.
    pub fn write(&self, stanza: &mut Vec<u8>, to: &str, stamp: Stamp) {
        self.write_as("chat", stanza, to, stamp);
    }

    /// Writes the stanza to a room (XEP-0045 7.4).
    pub fn write_to_room(&self, stanza: &mut Vec<u8>, to: &str, stamp: Stamp) {
        self.write_as("groupchat", stanza, to, stamp);
    }

    fn write_as(&self, kind: &str, stanza: &mut Vec<u8>, to: &str, stamp: Stamp) {
        stanza.clear();
        let Stamp { run, direction, sequence, intended_ns } = stamp;
        let id = format!("{run:08x}-{direction}-{sequence}");
        let head = format!(
            "<message to='{to}' type='{kind}' id='{id}'>\
             <origin-id xmlns='urn:xmpp:sid:0' id='{id}'/><body>{MARK} {run:08x} {direction} \
             {sequence} {intended_ns} "
        );
        let tail = match self.no_store {
            true => "</body><no-store xmlns='urn:xmpp:hints'/></message>",
            false => "</body></message>",
        };
        stanza.extend_from_slice(head.as_bytes());
        let filled = head.len() + tail.len();
        let padding = FILLER.iter().cycle().take(self.stanza_bytes.saturating_sub(filled));
        stanza.extend(padding);
        stanza.extend_from_slice(tail.as_bytes());
    }
}

/// Reads a message, or a carbon of one; `None` if it is not one of ours.
pub fn read(stanza: &[u8]) -> Option<Received<'_>> {
    let body = find::descendant(stanza, "body").map(find::text)?;
    let mut words = std::str::from_utf8(body).ok()?.split(' ');
    if words.next() != Some(MARK) {
        return None;
    }
    let stamp = Stamp {
        run: u32::from_str_radix(words.next()?, 16).ok()?,
        direction: words.next()?.parse().ok()?,
        sequence: words.next()?.parse().ok()?,
        intended_ns: words.next()?.parse().ok()?,
    };
    let message = find::descendant(stanza, "message").unwrap_or(stanza);
    Some(Received { stamp, from: find::attribute(message, "from").unwrap_or_default() })
}

const MARK: &str = "whimbrel-bench";
const FILLER: &[u8] = b"the tide was out and the whimbrels walked the flats ";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(composer: Composer, bytes: usize) {
        let stamp = Stamp { run: 7, direction: 199, sequence: 12_345, intended_ns: 9_876_543_210 };
        let mut stanza = Vec::new();
        composer.write_to_room(&mut stanza, "b@localhost", stamp);
        assert_eq!(stanza.len(), bytes);
        composer.write(&mut stanza, "b@localhost", stamp);
        assert_eq!(stanza.len(), bytes, "{}", String::from_utf8_lossy(&stanza));
        assert_eq!(read(&stanza), Some(Received { stamp, from: b"" }));
        let inner = String::from_utf8(stanza).unwrap().replace("<message", "<message from='a@l/x'");
        let carbon = format!(
            "<message from='b@localhost'><sent xmlns='urn:xmpp:carbons:2'>\
             <forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></sent></message>"
        );
        assert_eq!(read(carbon.as_bytes()), Some(Received { stamp, from: b"a@l/x" }));
    }

    #[test]
    fn messages_have_their_size_and_come_back() {
        check(Composer { stanza_bytes: 477, no_store: false }, 477);
        check(Composer { stanza_bytes: 477, no_store: true }, 477);
    }

    #[test]
    fn messages_of_others_are_told() {
        assert_eq!(read(b"<message><body>hello</body></message>"), None);
        assert_eq!(read(b"<message><subject/></message>"), None);
    }
}
