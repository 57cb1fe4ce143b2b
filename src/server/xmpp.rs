//! The edge's door for XMPP clients, joined to the chat server's reception.

use std::net::SocketAddr;

use tokio::sync::mpsc;

use super::listeners::Listeners;
use crate::admin::request::ListenerRole;
use crate::chat::listener::Reception;
use crate::chat::shard::Way;
use crate::config::Config;
use crate::edge::websocket::{HostMeta, WebSocketClient, XmppDoor};

/// Clients between the edge and the chat server.
const CLIENTS_MAX: usize = 64;

/// A door for the edge; what comes through it goes to `reception`.
pub fn door(config: &Config, listeners: &Listeners, reception: Reception) -> XmppDoor {
    let (clients, mut came) = mpsc::channel::<WebSocketClient>(CLIENTS_MAX);
    tokio::spawn(async move {
        while let Some(client) = came.recv().await {
            let WebSocketClient { stream, peer, tls, read } = client;
            // One too many is closed; it comes again.
            if reception.has_room() {
                reception.admit(stream, peer, Way::WebSocket { tls, read });
            }
        }
    });
    let host_meta = HostMeta::new(&websocket_url(config, listeners));
    XmppDoor { clients, origins: config.xmpp.websocket_origins.clone().into(), host_meta }
}

/// What clients are told (XEP-0156).
fn websocket_url(config: &Config, listeners: &Listeners) -> String {
    if !config.xmpp.websocket_url.is_empty() {
        return config.xmpp.websocket_url.clone();
    }
    // `https:` becomes `wss:`, and `http:` becomes `ws:`.
    format!("{}/xmpp-websocket", origin(config, listeners).replacen("http", "ws", 1))
}

/// Where the edge is to be reached, such as `https://example.org:8443`.
pub fn origin(config: &Config, listeners: &Listeners) -> String {
    let addresses = listeners.addresses();
    let port_of = |wanted| {
        let found = addresses.iter().find(|(role, _)| *role == wanted);
        found.map(|(_, address): &(ListenerRole, SocketAddr)| address.port())
    };
    let (scheme, port, usual) = match port_of(ListenerRole::Https) {
        Some(port) => ("https", port, 443),
        None => ("http", port_of(ListenerRole::Http).unwrap_or(80), 80),
    };
    let domain = &config.domain;
    match port == usual {
        true => format!("{scheme}://{domain}"),
        false => format!("{scheme}://{domain}:{port}"),
    }
}
