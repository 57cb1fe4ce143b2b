//! Static sites over real sockets, by both lanes: io_uring and tokio alone.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, SystemTime};

use media_store::{Store, StoreConfig};
use tokio::runtime::Runtime;
use whimbrel::edge::config::{HttpConfig, IoUring};
use whimbrel::edge::running::{self, EdgeSetup, Running};
use whimbrel::edge::site::SiteConfig;
use whimbrel::telemetry::health::Health;
use whimbrel::telemetry::metrics::Registry;

/// A server with sites below one temporary folder, each in the folder of its name.
struct Server {
    folder: tempfile::TempDir,
    address: SocketAddr,
    running: Option<Running>,
    runtime: Runtime,
}

impl Server {
    /// `sites`: name and configuration (TOML) without root.
    fn start(io_uring: IoUring, sites: &[(&str, &str)], files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            write(&folder.path().join(name), content);
        }
        let sites: Vec<SiteConfig> = sites
            .iter()
            .map(|(name, text)| {
                let config: SiteConfig = toml::from_str(text).unwrap();
                SiteConfig { root: folder.path().join(name), ..config }
            })
            .collect();
        let runtime = Runtime::new().unwrap();
        let _inside = runtime.enter();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let running = running::start(EdgeSetup {
            config: &HttpConfig { io_uring, ..HttpConfig::default() },
            threads: 1,
            listeners: vec![listener],
            listeners_tls: Vec::new(),
            certificates: None,
            sites: &sites,
            app: None,
            api: None,
            xmpp: None,
            store: Store::open(&data.join("media"), &StoreConfig::default()).unwrap(),
            data_dir: &data,
            registry: &Registry::new(),
            health: Health::new(),
            access_log: None,
        });
        let running = Some(running.unwrap());
        Self { folder, address, running, runtime }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    /// Sends a request and reads its answer to the end.
    fn send(&self, line: &str, fields: &[(&str, &str)]) -> Reply {
        let mut stream = self.open(line, fields);
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        Reply::parse(&bytes)
    }

    fn open(&self, line: &str, fields: &[(&str, &str)]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(READ_TIMEOUT)).unwrap();
        let mut head = format!("{line} HTTP/1.1\r\nconnection: close\r\n");
        if fields.iter().all(|(name, _)| *name != "host") {
            head.push_str("host: localhost\r\n");
        }
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream
    }

    /// `expected`: status, the fields named in `shown` that are there, and the body.
    fn check(&self, line: &str, fields: &[(&str, &str)], shown: &[&str], expected: &str) {
        let reply = self.send(line, fields);
        let mut found = vec![reply.status.to_string()];
        found.extend(shown.iter().filter_map(|name| reply.field(name)).map(str::to_owned));
        found.push(reply.body.clone());
        assert_eq!(found.join("|"), expected, "{line} {fields:?}\n{}", reply.head);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.drain(Duration::from_secs(2)));
        }
    }
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
        Self { status, head, body }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    age(path, 3600);
}

/// Makes a file one that was last changed `seconds` ago.
fn age(path: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

/// Runs a test by each lane.
fn by_each_lane(sites: &[(&str, &str)], files: &[(&str, &str)], test: impl Fn(&Server)) {
    for io_uring in [IoUring::Auto, IoUring::Off] {
        test(&Server::start(io_uring, sites, files));
    }
}

const FILES: &[(&str, &str)] = &[
    ("www/index.html", "home"),
    ("www/lost.html", "lost"),
    ("www/docs/index.html", "docs"),
    ("www/PHOTO.JPG", "photo"),
    ("www/é ü.txt", "accents"),
    ("www/.git/config", "secret"),
    ("www/app.js", "console.log('original')"),
    ("www/app.js.gz", "gzip"),
    ("www/app.js.br", "brotli"),
    ("www/app.js.zst", "zstd"),
    ("secret", "secret"),
    ("other/index.html", "other"),
];

#[test]
fn statuses_and_fields() {
    by_each_lane(&[("www", "")], FILES, |server| {
        let check = |line: &str, shown: &[&str], expected: &str| {
            server.check(line, &[], shown, expected);
        };
        check("GET /", &["content-type", "content-length"], "200|text/html; charset=utf-8|4|home");
        check("HEAD /", &["content-length"], "200|4|");
        check(
            "GET /PHOTO.JPG",
            &["content-type", "x-content-type-options"],
            "200|image/jpeg|nosniff|photo",
        );
        check(
            "GET /%C3%A9%20%C3%BC.txt",
            &["content-type"],
            "200|text/plain; charset=utf-8|accents",
        );
        check("GET /docs/", &[], "200|docs");
        for (line, location) in [
            ("HEAD /docs", "/docs/"),
            ("HEAD /docs?a=b&c", "/docs/?a=b&c"),
            ("HEAD //docs", "/docs/"),
            ("HEAD /docs/../docs", "/docs/"),
        ] {
            check(line, &["location"], &format!("301|{location}|"));
        }
        let missing = "404|404 Not Found\n";
        std::os::unix::fs::symlink("../secret", server.path("www/out")).unwrap();
        for path in ["/none", "/.git/config", "/%2egit/config", "/out", "/docs%2Findex.html"] {
            check(&format!("GET {path}"), &[], missing);
        }
        for path in ["/../secret", "/%2e%2e/secret", "/docs/../../secret", "/index.html/"] {
            check(&format!("GET {path}"), &[], missing);
        }
        check("GET /%00", &[], "400|400 Bad Request\n");
        check("GET /100%", &[], "400|400 Bad Request\n");
        check("DELETE /", &["allow"], "405|GET, HEAD, OPTIONS|405 Method Not Allowed\n");
    });
}

#[test]
fn validators_and_ranges() {
    by_each_lane(&[("www", "")], FILES, |server| {
        let first = server.send("GET /docs/", &[]);
        let tag = first.field("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "strong: {tag}");
        let date = first.field("last-modified").unwrap().to_owned();
        server.check("GET /docs/", &[("if-none-match", &tag)], &["etag"], &format!("304|{tag}|"));
        server.check("GET /docs/", &[("if-modified-since", &date)], &[], "304|");
        server.check("GET /docs/", &[("if-none-match", "\"x\"")], &[], "200|docs");
        let range = [("range", "bytes=1-2"), ("if-range", tag.as_str())];
        server.check("GET /docs/", &range, &["content-range"], "206|bytes 1-2/4|oc");
        let beyond = server.send("GET /docs/", &[("range", "bytes=9-")]);
        assert_eq!((beyond.status, beyond.field("content-range")), (416, Some("bytes */4")));
    });
}

#[test]
fn precompressed_files_by_accept_encoding() {
    by_each_lane(&[("www", "")], FILES, |server| {
        let shown = ["content-encoding", "vary", "content-type"];
        let script = "accept-encoding|text/javascript; charset=utf-8";
        for (accept, expected) in [
            ("gzip, deflate, br, zstd", "200|br|{}|brotli"),
            ("gzip;q=1.0, br;q=0.5", "200|gzip|{}|gzip"),
            ("br;q=0, zstd", "200|zstd|{}|zstd"),
            ("identity", "200|{}|console.log('original')"),
        ] {
            let expected = expected.replace("{}", script);
            server.check("GET /app.js", &[("accept-encoding", accept)], &shown, &expected);
        }
        let tag = |accept: &str| {
            let reply = server.send("HEAD /app.js", &[("accept-encoding", accept)]);
            reply.field("etag").unwrap().to_owned()
        };
        assert_ne!(tag("br"), tag("gzip"));
    });
}

#[test]
fn rules_of_the_configuration() {
    let rules = r#"
        error_pages = { 404 = "lost.html" }
        headers = [{ path = "*.js", set = { cache-control = "max-age=60", x-own = "1" } }]
        redirects = [
            { from = "/old/*", to = "/docs/*", status = 308 },
            { from = "/away", to = "https://example.net/?from=here" },
        ]
    "#;
    by_each_lane(&[("www", rules)], FILES, |server| {
        let shown = ["content-type", "etag"];
        server.check("GET /none", &[], &shown, "404|text/html; charset=utf-8|lost");
        server.check("HEAD /none", &[], &["content-length"], "404|4|");
        // An error has no validators to be unmodified by, and no ranges.
        let asks = [("if-none-match", "*"), ("range", "bytes=0-0")];
        server.check("GET /none", &asks, &[], "404|lost");
        let shown = ["cache-control", "x-own"];
        server.check("HEAD /app.js", &[], &shown, "200|max-age=60|1|");
        server.check("HEAD /", &[], &shown, "200|no-cache|");
        server.check("HEAD /old/a%20b?c", &[], &["location"], "308|/docs/a%20b?c|");
        let away = "301|https://example.net/?from=here|";
        server.check("HEAD /away?c", &[], &["location"], away);
    });
}

#[test]
fn a_listing_only_where_it_is_configured() {
    let listed = "listing = true\nhosts = [\"listed.example\"]";
    let sites = [("www", ""), ("www", listed)];
    by_each_lane(&sites, FILES, |server| {
        std::fs::create_dir(server.path("www/folder")).unwrap();
        std::fs::write(server.path("www/folder/<&>.txt"), "x").unwrap();
        server.check("GET /folder/", &[], &[], "404|404 Not Found\n");
        let page = server.send("GET /folder/", &[("host", "listed.example")]);
        assert_eq!(page.status, 200);
        assert!(page.field("content-security-policy").unwrap().contains("default-src 'none'"));
        assert!(page.body.contains("<a href=\"./%3C&amp;%3E.txt\">&lt;&amp;&gt;.txt</a>"));
    });
}

#[test]
fn sites_by_host_and_one_whose_folder_is_gone() {
    let sites = [("www", "hosts = [\"a.example\"]"), ("other", "hosts = [\"b.example\"]")];
    by_each_lane(&sites, FILES, |server| {
        server.check("GET /", &[("host", "A.example:80")], &[], "200|home");
        server.check("GET /", &[("host", "c.example")], &[], "404|404 Not Found\n");
        std::fs::rename(server.path("other"), server.path("gone")).unwrap();
        let gone = server.send("GET /", &[("host", "b.example")]);
        assert_eq!((gone.status, gone.field("retry-after").is_some()), (503, true));
        server.check("GET /docs/", &[("host", "a.example")], &[], "200|docs");
    });
}

#[test]
fn a_file_that_shrinks_cuts_its_own_connection() {
    by_each_lane(&[("www", "")], FILES, |server| {
        let path = server.path("www/film.mp4");
        let film = std::fs::File::create(&path).unwrap();
        film.set_len(FILM_BYTES).unwrap();
        let mut watching = server.open("GET /film.mp4", &[]);
        let mut begin = [0; 64 << 10];
        watching.read_exact(&mut begin).unwrap();
        assert!(begin.starts_with(b"HTTP/1.1 200 "));
        film.set_len(FILM_BYTES / 64).unwrap();
        let mut rest = Vec::new();
        let ended = watching.read_to_end(&mut rest);
        // A reset is as good an end as any; a timeout is none.
        let timed_out = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
        assert!(!timed_out, "the connection was left hanging");
        assert!((rest.len() as u64) < FILM_BYTES - (1 << 20), "it cannot have had all");
        server.check("GET /", &[], &[], "200|home");
    });
}

/// Far more than the sockets' buffers hold.
const FILM_BYTES: u64 = 256 << 20;
/// A server that does not answer fails the test.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
