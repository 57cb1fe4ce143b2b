//! What a connection's next bytes ask of the fast lane. Pure.

use crate::edge::http1::{self, Head};
use crate::edge::request::{Framing, Malformed, Method, Request};
use crate::edge::route::{Route, Router};

/// The next step of an HTTP/1 connection.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "lives on the stack, for one request")]
pub enum Step<'b> {
    /// Wait for more bytes.
    More,
    /// The head cannot be served: answer and close.
    Refuse(Malformed),
    /// A request that the lane answers itself, once it has the resource.
    Serve {
        /// The request's facts.
        request: Request<'b>,
        /// Bytes of its head.
        head_len: usize,
        /// Whose resource it asks for.
        route: Route,
    },
    /// Content, an upgrade, or one of Whimbrel's own services: for the full lane.
    HandOver,
}

/// Reads the next request of `bytes` and says what to do with it.
pub fn next<'b>(bytes: &'b [u8], router: &Router) -> Step<'b> {
    let (request, head_len) = match http1::parse(bytes) {
        Ok(Head::Partial) => return Step::More,
        Ok(Head::Complete { request, head_len }) => (request, head_len),
        Err(malformed) => return Step::Refuse(malformed),
    };
    let reads = matches!(request.method, Method::Get | Method::Head);
    let plain = request.framing == Framing::None && !request.upgrade && !request.expect_continue;
    match router.route(&request) {
        route @ (Route::Media | Route::App | Route::Site(_)) if plain => {
            Step::Serve { request, head_len, route }
        }
        route @ Route::Upload if plain && reads && !is_tus(&request) => {
            Step::Serve { request, head_len, route }
        }
        _ => Step::HandOver,
    }
}

/// A HEAD of an upload's own address asks for its offset; that of a slot's name for the file.
fn is_tus(request: &Request<'_>) -> bool {
    let below = request.path.strip_prefix("/upload/").unwrap_or_default();
    !below.contains('/')
}
