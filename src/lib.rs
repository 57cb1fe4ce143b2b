//! Whimbrel: a private messenger that anyone can run.
