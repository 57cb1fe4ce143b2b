//! A server, and the ways into it: io_uring or tokio alone, plain or TLS.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use media_store::{UnixSeconds, UploadSpec};
use whimbrel::admin::request::ListenerRole;
use whimbrel::config::Config;
use whimbrel::edge::config::IoUring;
use whimbrel::edge::site::SiteConfig;
use whimbrel::edge::upload::token::{Grant, Purpose, UploadTokens};
use whimbrel::server::{Running, Server};

use super::wire::Wire;
use super::{site, tls};

/// Who carries connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// io_uring, and hyper for what is unusual.
    Ring,
    /// tokio and hyper alone.
    Portable,
}

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP alone.
    Plain,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// A server with a small site, on ports of its own.
pub struct TestServer {
    /// Who carries its connections.
    pub lane: Lane,
    running: Running,
    folder: tempfile::TempDir,
}

impl TestServer {
    /// Starts with the tests' site, and what `adjust` changes; it is given the server's folder.
    pub fn start_with(lane: Lane, adjust: impl FnOnce(&mut Config, &Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("www");
        site::write(&root);
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        config.runtime.edge_threads = 1;
        config.runtime.drain_timeout_s = 1;
        config.http.listen = vec![any];
        config.http.listen_tls = vec![any];
        config.xmpp.listen = vec![any];
        config.xmpp.listen_tls = vec![any];
        config.call.udp_listen = vec![any];
        config.admin.listen = vec![any];
        config.sites = vec![SiteConfig { root, ..SiteConfig::default() }];
        config.http.io_uring = match lane {
            Lane::Ring => IoUring::Auto,
            Lane::Portable => IoUring::Off,
        };
        adjust(&mut config, folder.path());
        let running = Server::builder().config(config).start().unwrap();
        Self { lane, running, folder }
    }

    /// Starts with the tests' site.
    pub fn start(lane: Lane) -> Self {
        Self::start_with(lane, |_, _| ())
    }

    /// The site's folder.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    /// Where it keeps its data.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A token that allows uploads by tus.
    pub fn upload_token(&self) -> String {
        let grant = Grant {
            owner: "test".into(),
            bytes_max: 1 << 20,
            count_max: 20,
            expected: None,
            reference_until: None,
            expires: UnixSeconds(UnixSeconds::now().0 + 600),
            purpose: Purpose::Tus,
        };
        UploadTokens::open(&self.data_dir()).unwrap().issue(&grant).unwrap()
    }

    /// The first address of a role.
    pub fn address(&self, role: ListenerRole) -> SocketAddr {
        self.running.address(role).unwrap()
    }

    /// The certificate that clients trust.
    pub fn certificate(&self) -> PathBuf {
        self.data_dir().join("tls/self-signed.pem")
    }

    /// Connects.
    pub fn connect(&self, transport: Transport) -> Wire {
        match transport {
            Transport::Plain => Wire::plain(self.tcp(ListenerRole::Http)),
            Transport::Tls12 => self.tls(&rustls::version::TLS12),
            Transport::Tls13 => self.tls(&rustls::version::TLS13),
        }
    }

    /// A raw connection to a listener.
    pub fn tcp(&self, role: ListenerRole) -> TcpStream {
        TcpStream::connect(self.address(role)).unwrap()
    }

    /// Puts bytes into the store, and returns their path.
    pub fn put_media(&self, bytes: &[u8]) -> String {
        let mut upload = self.running.store().begin(UploadSpec::by("test")).unwrap();
        upload.write(bytes).unwrap();
        format!("/media/{}", upload.finish().unwrap().digest)
    }

    /// The metrics, as a scraper sees them.
    pub fn metrics(&self) -> String {
        let mut wire = Wire::plain(self.tcp(ListenerRole::Admin));
        wire.send("GET /metrics HTTP/1.1\nHost: x\nConnection: close\n\n");
        String::from_utf8(wire.answer("GET").content).unwrap()
    }

    /// The sum of a metric's lines; `labels` must stand in each of them.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let metrics = self.metrics();
        let lines = metrics.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && line.contains(labels)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Stops it, and waits for that.
    pub fn stop(self) {
        self.running.stop();
    }

    fn tls(&self, version: &'static rustls::SupportedProtocolVersion) -> Wire {
        let client = tls::client(&self.certificate(), version, &[b"http/1.1"]);
        Wire::tls(self.tcp(ListenerRole::Https), client)
    }
}

/// A server and a way into it.
#[derive(Clone)]
pub struct Door {
    /// The server.
    pub server: Rc<TestServer>,
    /// The way.
    pub transport: Transport,
}

impl Door {
    /// Connects.
    pub fn connect(&self) -> Wire {
        self.server.connect(self.transport)
    }

    /// Who answers behind the first request of a connection: hyper, or the fast lane still?
    pub fn lane(&self) -> Lane {
        self.server.lane
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.server.lane, self.transport)
    }
}

/// Runs a test on each lane.
pub fn on_each_lane(test: impl Fn(Lane)) {
    for lane in [Lane::Ring, Lane::Portable] {
        // Shown when the test fails.
        println!("-- {lane:?}");
        test(lane);
    }
}

/// Runs a test through each door.
pub fn through_each_door(test: impl Fn(&Door)) {
    through_doors(&[Transport::Plain, Transport::Tls12, Transport::Tls13], test);
}

/// Runs a test through the doors of some transports.
pub fn through_doors(transports: &[Transport], test: impl Fn(&Door)) {
    on_each_lane(|lane| {
        let server = Rc::new(TestServer::start(lane));
        for &transport in transports {
            let door = Door { server: server.clone(), transport };
            println!("-- {door:?}");
            test(&door);
        }
    });
}
