//! XML: what is taken, what is refused, and that it comes back as it went.

mod framing;
pub(crate) mod trees;
mod well_formed;
mod writing;
