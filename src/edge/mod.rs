//! The media edge: HTTP in front of static sites, media and uploads.
//!
//! One decision, two movers: `request` + `resource` → `answer`, which is pure; the lanes only
//! move bytes. The fast lane (`lane`) takes each connection first and hands what is unusual to
//! the full lane (`full`), hyper on tokio.

pub mod access_log;
pub mod answer;
pub mod api;
pub mod app;
pub mod conditional;
pub mod config;
pub mod encoding;
pub mod full;
pub mod http1;
pub mod lane;
pub mod limiter;
pub mod loader;
pub mod media;
pub mod metrics;
pub mod origin;
pub mod range;
pub mod request;
pub mod resource;
pub mod route;
pub mod running;
pub mod site;
pub mod upload;
pub mod websocket;
