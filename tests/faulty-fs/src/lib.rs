//! FUSE file systems that fail on purpose.
