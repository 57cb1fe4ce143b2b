//! Builds the parts and joins them: the only place that sees all of them.
//!
//! [`Server::builder`] is the embedded mode, and what the `whimbrel` command uses. A server runs on
//! threads of its own, so that it can be started from any program, with or without a runtime.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::mpsc as blocking;
use std::thread::JoinHandle;

use media_store::Store;
use tokio::sync::mpsc;

use crate::admin::request::ListenerRole;
use crate::config::Config;
use crate::edge::app::AppFile;
use crate::supervisor::StartError;
use crate::telemetry::Logging;

mod api;
mod calls;
mod chores;
mod handover;
mod house;
mod listeners;
mod outward;
mod pushes;
mod reload;
mod signals;
mod systemd;
mod upload_grants;
mod xmpp;

pub use handover::HandOverError;
pub use listeners::{BindError, Listeners};

use house::{House, Leave};

/// Tasks of the rim are few: the edge has threads of its own.
const RIM_THREADS: usize = 2;
/// Orders that wait for the server's loop.
const ORDERS_MAX: usize = 16;

/// The entry to the embedded mode.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server to be configured and started.
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            app: Vec::new(),
            reload_from: None,
            given: Listeners::default(),
            take_over: false,
            is_daemon: false,
            logging: None,
        }
    }
}

/// What a server starts with.
pub struct Builder {
    config: Config,
    app: Vec<AppFile>,
    reload_from: Option<PathBuf>,
    given: Listeners,
    take_over: bool,
    is_daemon: bool,
    logging: Option<Logging>,
}

impl Builder {
    /// Serves by this configuration instead of the defaults. Port 0 lets the system choose.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Serves these files as the web app, where the configuration wants it.
    pub fn app(mut self, files: Vec<AppFile>) -> Self {
        self.app = files;
        self
    }

    /// The file that a reload reads again.
    pub fn reload_from(mut self, file: Option<PathBuf>) -> Self {
        self.reload_from = file;
        self
    }

    /// Uses a listening socket that exists already. It takes the place of the configuration's
    /// address with the same role, IP and port (or port 0).
    pub fn listener(mut self, role: ListenerRole, listener: TcpListener) -> Self {
        self.given.push(role, listener);
        self
    }

    /// Takes listeners and data over from the server that runs on the same data folder.
    pub fn take_over(mut self, take_over: bool) -> Self {
        self.take_over = take_over;
        self
    }

    /// Answers signals, and speaks with systemd: for a process that is nothing but this server.
    pub fn daemon(mut self) -> Self {
        self.is_daemon = true;
        self
    }

    /// Lets a reload change the log's level.
    pub fn logging(mut self, logging: Logging) -> Self {
        self.logging = Some(logging);
        self
    }

    /// Starts the server, and returns once it serves. Blocks.
    ///
    /// # Errors
    /// [`StartError`] names the step that failed, and says what to do.
    pub fn start(self) -> Result<Running, StartError> {
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        let (started, starting) = blocking::sync_channel(1);
        let (ended, ending) = tokio::sync::oneshot::channel();
        let own_orders = orders.clone();
        let thread = std::thread::Builder::new()
            .name("whimbrel".to_owned())
            .spawn(move || {
                run(self, own_orders, ordered, &started);
                // Nobody may wait for it.
                let _ = ended.send(());
            })
            .map_err(|error| StartError { step: "thread", source: error.into() })?;
        match starting.recv() {
            Ok(Ok((addresses, store))) => Ok(Running { addresses, store, orders, thread, ending }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(StartError { step: "thread", source: "it panicked".into() }),
        }
    }
}

/// A server that serves. Dropping it has it drain without waiting.
pub struct Running {
    addresses: Vec<(ListenerRole, SocketAddr)>,
    store: Store,
    orders: mpsc::Sender<Order>,
    thread: JoinHandle<()>,
    ending: tokio::sync::oneshot::Receiver<()>,
}

impl Running {
    /// Where it listens, and for what.
    pub fn addresses(&self) -> &[(ListenerRole, SocketAddr)] {
        &self.addresses
    }

    /// The first address of a role.
    pub fn address(&self, role: ListenerRole) -> Option<SocketAddr> {
        self.addresses.iter().find(|(of, _)| *of == role).map(|(_, address)| *address)
    }

    /// The media store, for the program around the server. Its methods block.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads the certificates and the configuration's file again.
    pub fn reload(&self) {
        // A full queue holds a reload already, or the order to stop.
        let _ = self.orders.try_send(Order::Reload);
    }

    /// Drains: accepts no more, ends what runs, then stops. Blocks until it has.
    pub fn stop(self) {
        let _ = self.orders.try_send(Order::Stop);
        self.wait();
    }

    /// Like [`Self::stop`], for an async caller on any runtime.
    pub async fn stopped(self) {
        let _ = self.orders.try_send(Order::Stop);
        // An error means that its thread has ended too.
        let _ = self.ending.await;
    }

    /// Blocks until the server has stopped by itself: after a signal or a hand-over.
    pub fn wait(self) {
        // A panic of that thread has been logged where it happened.
        let _ = self.thread.join();
    }
}

/// What the server's loop is told.
#[derive(Debug)]
enum Order {
    Stop,
    Reload,
    Upgrade,
    TakeOver(crate::admin::socket::TakeOver),
}

/// Where a started server listens, and its store.
type Opened = (Vec<(ListenerRole, SocketAddr)>, Store);
type Started = blocking::SyncSender<Result<Opened, StartError>>;

fn run(
    builder: Builder,
    orders: mpsc::Sender<Order>,
    ordered: mpsc::Receiver<Order>,
    started: &Started,
) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(RIM_THREADS)
        .thread_name("whimbrel-rim")
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = started.send(Err(StartError { step: "runtime", source: error.into() }));
            return;
        }
    };
    runtime.block_on(async {
        match House::start(builder, orders) {
            Ok(house) => {
                let _ = started.send(Ok((house.addresses(), house.store())));
                live(house, ordered).await;
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
    // A chore that still reads must not keep the process.
    runtime.shutdown_background();
}

async fn live(mut house: House, mut ordered: mpsc::Receiver<Order>) {
    loop {
        match ordered.recv().await {
            Some(Order::Reload) => house.reload(),
            Some(Order::Upgrade) => house.upgrade(),
            Some(Order::TakeOver(asked)) => match house.hand_over(asked).await {
                Leave::Yes => return house.leave(&mut ordered).await,
                Leave::No => {}
            },
            Some(Order::Stop) | None => return house.stop(&mut ordered).await,
        }
    }
}
