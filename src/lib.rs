//! Whimbrel: a private messenger that anyone can run.

pub mod admin;
pub mod call;
pub mod chat;
pub mod config;
pub mod edge;
pub mod http_client;
pub mod server;
pub mod supervisor;
pub mod telemetry;
pub mod tls;
