//! HTTP: listener, TLS, lanes, static sites, media, uploads and the access log.

pub mod access_log;
