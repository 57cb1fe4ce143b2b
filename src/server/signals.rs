//! Signals become orders: TERM and INT drain, HUP reloads, USR2 starts the new program and has it
//! take over.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Order;

/// Turns signals into orders, as long as somebody takes orders.
pub(super) async fn listen(orders: mpsc::Sender<Order>) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut upgrade = signal(SignalKind::user_defined2())?;
    loop {
        let order = tokio::select! {
            _ = terminate.recv() => Order::Stop,
            _ = interrupt.recv() => Order::Stop,
            _ = hang_up.recv() => Order::Reload,
            _ = upgrade.recv() => Order::Upgrade,
            () = orders.closed() => return Ok(()),
        };
        // A full queue holds enough to do.
        let _ = orders.try_send(order);
    }
}
