//! A server's life: the order of its start, what it does when told, and its end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chat_core::chat::Outward;
use media_store::Store;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::calls::{self, Calls};
use super::chores::{self, StoreGauges};
use super::handover::{Giving, HandOverError, Taking};
use super::listeners::Listeners;
use super::pushes::Pushes;
use super::systemd::{self, Notice};
use super::upload_grants::UploadGrants;
use super::{Builder, Order, api, outward, signals, xmpp};
use crate::admin::DataDir;
use crate::admin::account::AccountDoor;
use crate::admin::http::{self as admin_http, Showcase};
use crate::admin::lock::DataLock;
use crate::admin::request::ListenerRole;
use crate::admin::socket::{self, Desk, TakeOver};
use crate::call::{self, Call, Handle};
use crate::chat::running::{self as chat, ChatError, ChatSetup};
use crate::config::Config;
use crate::edge::access_log::AccessLog;
use crate::edge::api::ApiDoor;
use crate::edge::app::{App, AppFile};
use crate::edge::running::{self, EdgeError, EdgeSetup};
use crate::edge::upload::token::UploadTokens;
use crate::supervisor::{StartError, Supervisor, step};
use crate::telemetry::health::{Health, PartState};
use crate::telemetry::metrics::Registry;
use crate::telemetry::{Logging, process};
use crate::tls::{AcmeClient, Certificates, ChallengeTokens, Mode};

/// The whole's name among the parts: what is drained is not healthy.
const SERVER: &str = "server";
/// Uploads may end within this time before a hand-over cuts them; their clients resume.
const UPLOAD_GRACE: Duration = Duration::from_secs(2);
/// Clients of the chat server get this time to end their streams; what was acknowledged is stored
/// whether they do or not.
const CHAT_STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// The rim's own parts end within this time.
const PARTS_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a hand-over succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// The new process serves.
    Yes,
    /// This one goes on.
    No,
}

/// The endpoint that carries calls, what commands it, and what it tells.
type Endpoint = (Call, Handle, mpsc::Receiver<call::Event>);

/// What lasts from start to end.
pub(super) struct Base {
    pub config: Config,
    pub reload_from: Option<PathBuf>,
    app: Option<Arc<App>>,
    pub is_daemon: bool,
    pub logging: Option<Logging>,
    /// Of the TLS listeners, if there are any.
    pub certificates: Option<Arc<Certificates>>,
    pub access_log: Option<Arc<AccessLog>>,
    data: DataDir,
    health: Health,
    registry: Registry,
    listeners: Listeners,
    store: Store,
    gauges: StoreGauges,
    orders: mpsc::Sender<Order>,
}

/// What serves; made anew when a hand-over fails halfway.
struct Serving {
    edge: running::Running,
    /// `None` where it is switched off, or has ended before the rest.
    chat: Option<chat::Running>,
    supervisor: Supervisor,
}

/// How the process comes to its data.
enum Entrance {
    Own(DataLock),
    TakeOver(Taking, Listeners),
}

impl Entrance {
    fn take_over(data: &DataDir) -> Result<Self, StartError> {
        let (taking, listeners) = step("take-over", || Taking::begin(data))?;
        Ok(Self::TakeOver(taking, listeners))
    }
}

/// A server that serves.
pub(super) struct House {
    pub base: Base,
    serving: Serving,
    lock: DataLock,
}

impl House {
    /// Everything in its order. Runs within the rim's runtime, and blocks.
    pub fn start(builder: Builder, orders: mpsc::Sender<Order>) -> Result<Self, StartError> {
        let Builder { config, app, reload_from, given, take_over, is_daemon, logging } = builder;
        let app = app_of(&config, &app);
        let (health, registry) = (Health::new(), Registry::new());
        process::register(&registry);
        let gauges = StoreGauges::register(&registry);
        let data = config.data();

        let mut entrance = match take_over {
            true => Entrance::take_over(&data)?,
            false => Entrance::Own(step("data lock", || DataLock::take(data.root()))?),
        };
        let listeners = step("listeners", || match &mut entrance {
            Entrance::TakeOver(_, inherited) => std::mem::take(inherited).complete(&config),
            Entrance::Own(_) if is_daemon => {
                given.merged(systemd::listeners()).complete_roles(&config)
            }
            Entrance::Own(_) => given.complete(&config),
        })?;
        let certificates = step("certificates", || match listeners.speak_tls() {
            true => Certificates::open(&config.tls, &config.domain, data.root()).map(Some),
            false => Ok(None),
        })?;
        if let Some(certificates) = &certificates {
            chores::show_certificate(&registry, certificates.clone());
        }
        let access_log = step("access log", || match config.access_log.enabled {
            true => AccessLog::open(&config.access_log, &registry).map(|log| Some(Arc::new(log))),
            false => Ok(None),
        })?;
        // All that may fail without the data has been done: the old server goes on if it did.
        let (lock, taking) = match entrance {
            Entrance::Own(lock) => (lock, None),
            Entrance::TakeOver(taking, _) => {
                (step("data lock", || taking.take_lock())?, Some(taking))
            }
        };
        let store = step("media store", || Store::open(&data.media(), &config.media))?;
        let base = Base {
            config,
            app,
            reload_from,
            is_daemon,
            logging,
            certificates,
            access_log,
            data,
            health,
            registry,
            listeners,
            store,
            gauges,
            orders,
        };
        let serving = base.serve()?;
        if is_daemon {
            tokio::spawn(signals::listen(base.orders.clone()));
        }
        if let Some(taking) = taking
            && let Err(error) = taking.finish()
        {
            tracing::warn!(%error, "the old process ended before it was told to");
        }
        base.notify(Notice::Ready { main_pid: std::process::id() });
        Ok(Self { base, serving, lock })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<(ListenerRole, SocketAddr)> {
        self.base.listeners.addresses()
    }

    /// The media store.
    pub fn store(&self) -> Store {
        self.base.store.clone()
    }

    /// Has the edge serve by a changed configuration.
    pub fn edge(&self) -> &running::Running {
        &self.serving.edge
    }

    /// Starts the program anew, which then takes over.
    pub fn upgrade(&self) {
        let arguments = std::env::args_os().skip(1);
        let arguments = arguments.filter(|argument| argument != TAKE_OVER).collect::<Vec<_>>();
        let has_command = arguments.first().is_some_and(|argument| argument == "serve");
        let command = if has_command { None } else { Some("serve".into()) };
        let started = program().and_then(|program| {
            std::process::Command::new(program)
                .args(command.into_iter().chain(arguments))
                .arg(TAKE_OVER)
                .spawn()
        });
        match started {
            Ok(mut child) => {
                tracing::info!(pid = child.id(), "started the program that takes over");
                // If it fails, somebody must take its exit status.
                std::thread::spawn(move || child.wait());
            }
            Err(error) => tracing::error!(%error, "the new program cannot be started"),
        }
    }

    /// Hands listeners and data over to the process that asked.
    pub async fn hand_over(&mut self, asked: TakeOver) -> Leave {
        let pid = asked.pid;
        tracing::info!(pid, "a new process takes over");
        let giving = match self.base.offer(asked).await {
            Ok(giving) => giving,
            Err(error) => {
                tracing::warn!(%error, "the hand-over failed; this process goes on");
                return Leave::No;
            }
        };
        let running = &self.serving.edge;
        running.stop_accepting();
        running.finish_uploads(UPLOAD_GRACE).await;
        // Its clients come back to the new process, which has what was committed.
        if let Some(chat) = self.serving.chat.take() {
            chat.stop(CHAT_STOP_TIMEOUT).await;
        }
        let supervisor = Supervisor::new(self.base.health.clone(), self.base.registry.clone());
        let parts = std::mem::replace(&mut self.serving.supervisor, supervisor);
        end_parts(parts).await;
        self.lock.release();
        match spawn_blocking(move || giving.release()).await {
            Ok(Ok(())) => {
                self.base.notify(Notice::MainPid(pid));
                tracing::info!(pid, "handed over; ending what still runs");
                Leave::Yes
            }
            Ok(Err(error)) => self.go_on(&error.to_string()),
            Err(error) => self.go_on(&error.to_string()),
        }
    }

    /// The new process did not come to serve: this one takes everything up again.
    fn go_on(&mut self, reason: &str) -> Leave {
        tracing::error!(reason, "the new process failed halfway; this one goes on");
        match self.take_up() {
            Ok(serving) => {
                let old = std::mem::replace(&mut self.serving, serving);
                let timeout = self.base.drain_timeout();
                tokio::spawn(async move { old.edge.drain(timeout).await });
                Leave::No
            }
            Err(error) => {
                tracing::error!(error, "cannot go on");
                Leave::Yes
            }
        }
    }

    fn take_up(&mut self) -> Result<Serving, Box<dyn std::error::Error + Send + Sync>> {
        self.lock.retake()?;
        // What still drains tells of its end to the old one.
        self.base.health = Health::new();
        Ok(self.base.serve()?)
    }

    /// After a hand-over: ends what runs; files and lock belong to the new process.
    pub async fn leave(self, ordered: &mut mpsc::Receiver<Order>) {
        self.serving.drain(self.base.drain_timeout(), ordered).await;
        self.base.close_access_log().await;
    }

    /// After the order to stop: drains, then closes everything.
    pub async fn stop(self, ordered: &mut mpsc::Receiver<Order>) {
        let Self { base, serving, lock } = self;
        tracing::info!("stopping");
        base.notify(Notice::Stopping);
        base.health.set(SERVER, PartState::Draining);
        let supervisor = serving.drain(base.drain_timeout(), ordered).await;
        end_parts(supervisor).await;
        let _ = std::fs::remove_file(base.data.socket());
        base.close_access_log().await;
        drop(base);
        lock.release();
        tracing::info!("stopped");
    }
}

impl Base {
    /// Starts the edge, then the rim's own parts.
    fn serve(&self) -> Result<Serving, StartError> {
        let socket = step("admin socket", || socket::bind(&self.data.socket()))?;
        let admin = step("admin listener", || self.listeners.of(ListenerRole::Admin))?;
        let chat = match self.config.xmpp.enabled {
            true => Some(self.start_chat()?),
            false => None,
        };
        let (chat, api, call) = match chat {
            Some((chat, api, call)) => (Some(chat), Some(api), call),
            None => (None, None, None),
        };
        let ledger = chat.as_ref().map(chat::Running::ledger);
        let edge = step("edge", || running::start(self.edge_setup(chat.as_ref(), api)?))?;

        let mut supervisor = Supervisor::new(self.health.clone(), self.registry.clone());
        let desk = Desk {
            store: self.store.clone(),
            data: self.data.clone(),
            accounts: AccountDoor::new(self.config.account_desk(), ledger),
            health: self.health.clone(),
            take_overs: self.take_overs(),
        };
        supervisor.watch_thread("admin socket", move |stop| socket::serve(&socket, &desk, &stop));
        let showcase = Showcase { registry: self.registry.clone(), health: self.health.clone() };
        let admin = Arc::new(admin);
        supervisor.watch_task("admin listener", move |stop| {
            admin_http::serve(admin.clone(), showcase.clone(), stop)
        });
        if let Some(call) = call {
            let call = Arc::new(call);
            supervisor.watch_thread("calls", move |stop| call.run(stop));
        }
        self.watch_chores(&mut supervisor);
        if let Some(certificates) = &self.certificates {
            self.watch_certificates(certificates, &mut supervisor, &edge.origin().challenges);
        }
        self.health.set(SERVER, PartState::Serving);
        Ok(Serving { edge, chat, supervisor })
    }

    /// Starts the chat server, with a door to its accounts for the edge.
    fn start_chat(&self) -> Result<(chat::Running, ApiDoor, Option<Call>), StartError> {
        let endpoint = self.open_calls()?;
        let (outward, outwards) = mpsc::channel(outward::OUTWARD_MAX);
        let pushes = Pushes::open(&self.config.push, self.data.root(), &self.config.domain);
        let push_key = pushes.as_ref().map(Pushes::public_key);
        let chat = step("chat", || {
            chat::start(self.chat_setup(outward, push_key, endpoint.is_some())?)
        })?;
        let tokens = step("upload tokens", || UploadTokens::open(self.data.root()))?;
        let origin = xmpp::origin(&self.config, &self.listeners);
        let grants = UploadGrants::new(self.store.clone(), tokens, origin);
        let api = api::door(
            chat.accounts(),
            grants.clone().take_wishes(),
            grants.clone().take_objects(),
            self.config.previews,
        );
        let (answer, command, accounts) = (chat.answer(), chat.command(), chat.accounts());
        let (call, calls) = endpoint
            .map(|(call, handle, events)| {
                tokio::spawn(calls::tell(events, command.clone()));
                (call, Calls::new(handle))
            })
            .unzip();
        tokio::spawn(outward::serve(outwards, answer, command, accounts, grants, pushes, calls));
        Ok((chat, api, call))
    }

    /// The endpoint that carries calls, where there is to be one.
    fn open_calls(&self) -> Result<Option<Endpoint>, StartError> {
        match self.config.has_calls() {
            true => step("calls", || Call::open(&self.config.call, &self.registry)).map(Some),
            false => Ok(None),
        }
    }

    fn chat_setup(
        &self,
        outward: mpsc::Sender<Outward>,
        push_key: Option<Box<[u8]>>,
        calls: bool,
    ) -> Result<ChatSetup<'_>, ChatError> {
        Ok(ChatSetup {
            config: &self.config.xmpp,
            verification: &self.config.verification,
            upload_bytes_max: self.config.media.object_bytes_max,
            domain: &self.config.domain,
            threads: self.config.runtime.edge_threads(),
            listeners: self.listeners.of(ListenerRole::Xmpp)?,
            listeners_tls: self.listeners.of(ListenerRole::XmppTls)?,
            certificates: self.certificates.clone(),
            data_dir: self.data.root(),
            outward: Some(outward),
            calls,
            push: &self.config.push,
            push_key,
            database: self.config.store.database(self.data.root())?,
            registry: &self.registry,
            health: self.health.clone(),
        })
    }

    fn watch_chores(&self, supervisor: &mut Supervisor) {
        let (store, gauges) = (self.store.clone(), self.gauges.clone());
        supervisor
            .watch_task("counting", move |stop| chores::count(store.clone(), gauges.clone(), stop));
        let store = self.store.clone();
        supervisor.watch_task("collecting", move |stop| chores::collect(store.clone(), stop));
        if self.config.media.scrub_mib_per_s > 0 {
            let (store, faults) = (self.store.clone(), self.gauges.faults.clone());
            supervisor.watch_thread("scrubbing", move |stop| chores::scrub(&store, &faults, stop));
        }
    }

    fn watch_certificates(
        &self,
        certificates: &Arc<Certificates>,
        supervisor: &mut Supervisor,
        tokens: &ChallengeTokens,
    ) {
        let watched = certificates.clone();
        supervisor.watch_task("certificates", move |stop| {
            chores::watch_certificates(watched.clone(), stop)
        });
        if self.config.tls.mode != Mode::Acme {
            return;
        }
        let (config, data) = (self.config.clone(), self.data.clone());
        let (certificates, tokens) = (certificates.clone(), tokens.clone());
        supervisor.watch_task("acme", move |mut stop| {
            let client = AcmeClient::new(
                &config.tls,
                &config.domain,
                data.root(),
                certificates.clone(),
                tokens.clone(),
            );
            async move {
                let client = client?;
                tokio::select! {
                    () = client.run() => {}
                    () = stop.requested() => {}
                }
                Ok(())
            }
        });
    }

    fn edge_setup(
        &self,
        chat: Option<&chat::Running>,
        api: Option<ApiDoor>,
    ) -> Result<EdgeSetup<'_>, EdgeError> {
        let door =
            |chat: &chat::Running| xmpp::door(&self.config, &self.listeners, chat.reception());
        Ok(EdgeSetup {
            config: &self.config.http,
            threads: self.config.runtime.edge_threads(),
            listeners: self.listeners.of(ListenerRole::Http)?,
            listeners_tls: self.listeners.of(ListenerRole::Https)?,
            certificates: self.certificates.clone(),
            app: self.app.clone(),
            sites: &self.config.sites,
            store: self.store.clone(),
            api,
            xmpp: chat.map(door),
            data_dir: self.data.root(),
            registry: &self.registry,
            health: self.health.clone(),
            access_log: self.access_log.clone(),
        })
    }

    /// Where the admin socket puts those that ask to take over.
    fn take_overs(&self) -> mpsc::Sender<TakeOver> {
        let (asking, mut asked) = mpsc::channel(1);
        let orders = self.orders.clone();
        tokio::spawn(async move {
            while let Some(take_over) = asked.recv().await {
                if orders.send(Order::TakeOver(take_over)).await.is_err() {
                    return;
                }
            }
        });
        asking
    }

    async fn offer(&self, asked: TakeOver) -> Result<Giving, HandOverError> {
        let listeners = self.listeners.try_clone()?;
        spawn_blocking(move || Giving::begin(asked.stream, &listeners))
            .await
            .map_err(std::io::Error::other)?
    }

    /// Writes out what lies in its buffers. Blocks on the disk, so elsewhere.
    async fn close_access_log(&self) {
        if let Some(log) = self.access_log.clone() {
            let _ = spawn_blocking(move || log.close()).await;
        }
    }

    fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.config.runtime.drain_timeout_s.into())
    }

    /// Tells systemd, if this process is a service.
    pub fn notify(&self, notice: Notice) {
        if self.is_daemon {
            systemd::notify(notice);
        }
    }
}

impl Serving {
    /// Ends what runs, at the latest after `timeout`, or when the order to stop comes once more.
    async fn drain(self, timeout: Duration, ordered: &mut mpsc::Receiver<Order>) -> Supervisor {
        self.edge.stop_accepting();
        let Self { edge, chat, supervisor } = self;
        let drained = async {
            let chat_ends = async {
                if let Some(chat) = chat {
                    chat.stop(timeout.min(CHAT_STOP_TIMEOUT)).await;
                }
            };
            tokio::join!(edge.drain(timeout), chat_ends);
        };
        let again = async {
            while let Some(order) = ordered.recv().await {
                if matches!(order, Order::Stop) {
                    return;
                }
            }
            std::future::pending().await
        };
        tokio::select! {
            () = drained => {}
            () = again => tracing::warn!("stopping at once"),
        }
        supervisor
    }
}

async fn end_parts(supervisor: Supervisor) {
    let late = supervisor.stop(Instant::now() + PARTS_TIMEOUT).await;
    if !late.is_empty() {
        tracing::warn!(parts = late.join(", "), "parts did not end in time");
    }
}

/// The web app, where it is wanted: it is of no use without a chat server behind it.
fn app_of(config: &Config, files: &[AppFile]) -> Option<Arc<App>> {
    if !config.web.enabled || !config.xmpp.enabled || files.is_empty() {
        return None;
    }
    App::new(&config.domain, files).map(Arc::new)
}

/// The program's file, also where a newer one has taken its place.
fn program() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let replaced = program.to_str().and_then(|path| path.strip_suffix(" (deleted)"));
    Ok(replaced.map_or_else(|| program.clone(), PathBuf::from))
}

const TAKE_OVER: &str = "--take-over";
