//! What the operator has: the command line, the socket that serves it while the server runs, and
//! the listener for metrics and health.

pub mod account;
pub mod backup;
pub mod cli;
pub mod client;
mod config;
mod data;
pub mod doctor;
pub mod execute;
pub mod frame;
pub mod http;
pub mod lock;
pub mod media;
pub mod request;
pub mod socket;
pub mod verify_web;

pub use config::AdminConfig;
pub use data::DataDir;
