//! What a completion belongs to, packed into the 64 bits that the kernel hands back.

/// An operation's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// A listener's accepts; the slot is the listener's index.
    Accept,
    /// Another thread has a message.
    Wake,
    /// A connection's bytes.
    Receive,
    /// A connection's answer was sent.
    Send,
    /// A connection takes bytes again.
    Writable,
    /// A cold part of a file was read.
    Warm,
    /// A cancellation itself.
    Cancel,
}

/// Kind, slot, and the slot's generation: a late completion never meets a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Kind of operation.
    pub op: Op,
    /// Index of the connection or listener.
    pub slot: u32,
    /// Generation of the slot, 24 bits.
    pub generation: u32,
}

/// Generations wrap here.
pub const GENERATION_MASK: u32 = 0x00ff_ffff;

impl Token {
    /// Cancellations: nobody waits for their completions.
    pub const CANCEL: Self = Self { op: Op::Cancel, slot: 0, generation: 0 };

    /// As the kernel keeps it.
    pub fn pack(self) -> u64 {
        (self.op as u64) << 56
            | u64::from(self.generation & GENERATION_MASK) << 32
            | u64::from(self.slot)
    }

    /// As the kernel gave it back.
    pub fn unpack(packed: u64) -> Self {
        const OPS: [Op; 7] =
            [Op::Accept, Op::Wake, Op::Receive, Op::Send, Op::Writable, Op::Warm, Op::Cancel];
        let op = OPS[(packed >> 56) as usize % OPS.len()];
        Self { op, slot: packed as u32, generation: (packed >> 32) as u32 & GENERATION_MASK }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_packing() {
        for op in [Op::Accept, Op::Wake, Op::Receive, Op::Send, Op::Writable, Op::Warm, Op::Cancel]
        {
            let token = Token { op, slot: u32::MAX - 7, generation: GENERATION_MASK };
            assert_eq!(Token::unpack(token.pack()), token);
        }
    }
}
