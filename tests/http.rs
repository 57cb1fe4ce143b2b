//! What HTTP means here, over real sockets: RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 9113
//! (HTTP/2). Each exchange runs with io_uring and without, and where it matters over TLS too.

mod support;

#[path = "http/connections.rs"]
mod connections;
#[path = "http/exchange.rs"]
mod exchange;
#[path = "http/http2.rs"]
mod http2;
#[path = "http/malformed.rs"]
mod malformed;
#[path = "http/records.rs"]
mod records;
#[path = "http/representations.rs"]
mod representations;
#[path = "http/unread.rs"]
mod unread;
