//! What the operator has: the command line, the socket that serves it while the server runs, and
//! the listener for metrics and health.

mod config;

pub use config::AdminConfig;
