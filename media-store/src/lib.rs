//! Content-addressed media store.
