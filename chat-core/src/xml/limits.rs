//! What one element may cost.

/// What one element may cost whoever reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one element (or stream header) as sent.
    pub element_bytes_max: usize,
    /// How deep elements may nest; the element itself is at depth 1.
    pub depth_max: usize,
    /// Attributes of one start tag, namespace declarations among them.
    pub attributes_max: usize,
    /// Elements inside the element, at any depth.
    pub children_max: usize,
    /// Namespace declarations in scope at once: what bounds the search for a prefix.
    pub declarations_max: usize,
}

impl Limits {
    /// For what this server wrote or has checked before: generous, yet a damaged record cannot
    /// exhaust the stack.
    pub const STORED: Self = Self {
        element_bytes_max: 64 * 1024 * 1024,
        depth_max: 256,
        attributes_max: 256,
        children_max: 1_000_000,
        declarations_max: 65_536,
    };
}

impl Default for Limits {
    /// For a client that has logged in; RFC 6120 13.12 asks for at least 10,000 bytes.
    fn default() -> Self {
        Self {
            element_bytes_max: 256 * 1024,
            depth_max: 64,
            attributes_max: 64,
            children_max: 4096,
            declarations_max: 128,
        }
    }
}
