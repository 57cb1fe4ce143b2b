//! Whimbrel: a private messenger that anyone can run.

pub mod edge;
pub mod telemetry;
