//! Time as the caller tells it.

/// A moment: microseconds since some start of the caller's choice. Never goes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    micros: u64,
}

impl Time {
    /// The start.
    pub const ZERO: Self = Self { micros: 0 };

    /// So many microseconds after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// So many milliseconds after the start.
    pub const fn from_millis(millis: u64) -> Self {
        Self { micros: millis * 1000 }
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// Microseconds since `earlier`; 0 if that is later.
    pub const fn since_us(self, earlier: Self) -> u64 {
        self.micros.saturating_sub(earlier.micros)
    }

    /// Milliseconds since `earlier`, rounded down; 0 if that is later.
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.since_us(earlier) / 1000
    }

    /// So many microseconds later.
    pub const fn plus_us(self, micros: u64) -> Self {
        Self { micros: self.micros.saturating_add(micros) }
    }

    /// So many milliseconds later.
    pub const fn plus_ms(self, millis: u64) -> Self {
        self.plus_us(millis * 1000)
    }
}
