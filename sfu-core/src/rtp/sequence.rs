//! Sequence numbers that do not wrap.

/// Turns 16-bit numbers into ones that do not wrap, by the shortest way from the highest so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapper {
    highest: Option<u64>,
}

/// Numbers begin here, so that those shortly before the first have a place below it.
const FIRST_CYCLE: u64 = 1 << 16;

impl Unwrapper {
    /// The number that `value` stands for.
    pub fn unwrap(&mut self, value: u16) -> u64 {
        let number = self.peek(value);
        if self.highest.is_none_or(|highest| number > highest) {
            self.highest = Some(number);
        }
        number
    }

    /// The same, and remembers nothing.
    pub fn peek(&self, value: u16) -> u64 {
        let Some(highest) = self.highest else { return FIRST_CYCLE + u64::from(value) };
        let ahead = value.wrapping_sub(highest as u16) as i16;
        highest.saturating_add_signed(i64::from(ahead))
    }

    /// `value` begins a new series: its number is beyond all so far.
    pub fn leap(&mut self, value: u16) -> u64 {
        let cycle = self.highest.map_or(0, |highest| highest & !0xffff);
        let number = cycle + FIRST_CYCLE + u64::from(value);
        self.highest = Some(number);
        number
    }

    /// The highest so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}
