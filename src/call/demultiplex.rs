//! RFC 7983 Multiplexing Scheme Updates for SRTP Extension for DTLS: what a datagram is, by its first
//! bytes.

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RFC 8489.
    Stun,
    /// RFC 9147, RFC 6347.
    Dtls,
    /// RFC 3711.
    Rtp,
    /// RFC 3711; told from RTP by its type (RFC 5761 4).
    Rtcp,
    /// Nothing that is carried here.
    Other,
}

impl Kind {
    /// What `datagram` claims to be.
    pub fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [20..=63, ..] => Self::Dtls,
            [128..=191, 192..=223, ..] => Self::Rtcp,
            [128..=191, ..] => Self::Rtp,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_their_first_bytes() {
        let cases: [(&[u8], Kind); 8] = [
            (&[0, 1], Kind::Stun),
            (&[22, 254], Kind::Dtls),
            (&[0x80, 96], Kind::Rtp),
            (&[0x90, 0x80 | 111], Kind::Rtp),
            (&[0x80, 200], Kind::Rtcp),
            (&[0x8f, 205], Kind::Rtcp),
            (&[64, 0], Kind::Other),
            (&[], Kind::Other),
        ];
        for (datagram, kind) in cases {
            assert_eq!(Kind::of(datagram), kind, "{datagram:?}");
        }
    }
}
