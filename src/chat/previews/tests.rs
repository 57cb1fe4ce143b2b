//! Previews of a site of the tests' own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chat_core::jid::AccountId;

use super::{PAGE_BYTES_MAX, Preview, PreviewError, Previews, PreviewsConfig, Reason};
use crate::http_client::{ExchangeError, HttpClient, Schemes};

/// A site that answers by the path, and counts who asks.
pub struct Site {
    /// `http://127.0.0.1:…`.
    pub origin: String,
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

const PAGE: &str = "<!DOCTYPE html><title>Bird counts</title>\
    <meta property=og:title content='Bird counts 2026'>\
    <meta name=description content='What flew by &amp; when.'>\
    <meta property=og:image content='/owl.png'>";

impl Site {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::Relaxed);
                std::thread::spawn(move || answer(stream, address));
            }
        });
        Self { origin: format!("http://{address}"), address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn find(&self, previews: &Previews, path: &str) -> Result<Preview, PreviewError> {
        let account = AccountId::from_random(1);
        previews.find(account, &format!("{}{path}", self.origin), 0).await
    }
}

fn answer(mut stream: TcpStream, address: SocketAddr) {
    let (mut request, mut buffer) = (Vec::new(), [0; 1024]);
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => request.extend_from_slice(&buffer[..count]),
            _ => return,
        }
    }
    let request = String::from_utf8(request).unwrap();
    let path = request.split(' ').nth(1).unwrap();
    let port = address.port();
    let html = |content: &str| whole("text/html; charset=utf-8", content.as_bytes());
    let to = |place: &str| format!("HTTP/1.1 302 F\r\nLocation: {place}\r\n\r\n").into_bytes();
    let content = match path {
        "/counts/2026" => html(PAGE),
        "/owl.png" => whole("image/png", b"\x89PNG"),
        "/latin" => whole("text/html; charset=iso-8859-1", b"<title>caf\xe9</title>"),
        "/large-image" => html(&PAGE.replace("/owl.png", "/large.png")),
        "/large.png" => whole("image/png", &vec![0; super::IMAGE_BYTES_MAX + 1]),
        "/active-image" => html(&PAGE.replace("/owl.png", "/owl.svg")),
        "/owl.svg" => whole("image/svg+xml", b"<svg/>"),
        "/private-image" => {
            html(&PAGE.replace("/owl.png", &format!("http://[::1]:{port}/owl.png")))
        }
        "/text" => whole("text/plain", b"<title>x</title>"),
        "/packed" => {
            b"HTTP/1.1 200 K\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n".to_vec()
        }
        "/untitled" => html("<p>"),
        "/3" => to("/2"),
        "/4" => to("/3"),
        "/2" => to("1"),
        "/1" => to(&format!("//127.0.0.1:{port}/counts/2026")),
        "/to-file" => to("file:///etc/passwd"),
        "/to-password" => to(&format!("http://a:b@127.0.0.1:{port}/counts/2026")),
        "/to-private" => to(&format!("http://[::1]:{port}/counts/2026")),
        "/slow" => return std::thread::sleep(Duration::from_secs(60)),
        "/huge" => {
            let head =
                "HTTP/1.1 200 K\r\nContent-Type: text/html\r\nContent-Length: 1000000000\r\n\r\n";
            let _ = stream.write_all(format!("{head}<title>Huge</title>").as_bytes());
            while stream.write_all(&[b' '; 65_536]).is_ok() {}
            return;
        }
        _ => b"HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n".to_vec(),
    };
    let _ = stream.write_all(&content);
}

fn whole(media_type: &str, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let head =
        format!("HTTP/1.1 200 K\r\nContent-Type: {media_type}\r\nContent-Length: {len}\r\n\r\n");
    [head.as_bytes(), content].concat()
}

fn everywhere() -> Previews {
    Previews::new(PreviewsConfig { enabled: true, private_endpoints: true }).unwrap()
}

/// As an operator's, but for the site, which stands for the open Internet.
fn public(site: &Site) -> Previews {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = HttpClient::new(provider, None, Schemes::HttpAndHttps).unwrap();
    Previews { client: client.public_or(site.address), ..everywhere() }
}

#[tokio::test]
async fn pages_and_their_images_are_found() {
    let (site, previews) = (Site::start(), everywhere());
    let found = site.find(&previews, "/counts/2026#top").await.unwrap();
    assert_eq!(
        (&*found.page.title, &*found.page.description),
        ("Bird counts 2026", "What flew by & when.")
    );
    let image = found.image.unwrap();
    assert_eq!((image.media_type, &*image.content), ("image/png", b"\x89PNG".as_slice()));
    let found = site.find(&previews, "/3").await.unwrap();
    assert_eq!(found.url, format!("{}/counts/2026", site.origin));
    let found = site.find(&previews, "/latin").await.unwrap();
    assert_eq!((&*found.page.title, found.image), ("café", None));
    for path in ["/large-image", "/active-image"] {
        assert_eq!(site.find(&previews, path).await.unwrap().image, None, "{path}");
    }
}

#[tokio::test]
async fn what_is_no_page_is_nothing() {
    let (site, previews) = (Site::start(), everywhere());
    let nothing = async |path| match site.find(&previews, path).await {
        Err(PreviewError::Nothing(reason)) => reason,
        other => panic!("{path}: {other:?}"),
    };
    assert!(matches!(nothing("/none").await, Reason::Status(_)));
    assert!(matches!(nothing("/text").await, Reason::Type));
    assert!(matches!(nothing("/packed").await, Reason::Type));
    assert!(matches!(nothing("/untitled").await, Reason::Untitled));
    assert!(matches!(nothing("/4").await, Reason::TooFar));
    assert!(matches!(nothing("/to-file").await, Reason::Elsewhere));
    assert!(matches!(nothing("/to-password").await, Reason::Elsewhere));
}

fn check_private(refused: &Result<Preview, PreviewError>) {
    match refused {
        Err(PreviewError::Nothing(Reason::Exchange(ExchangeError::Private { .. }))) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nobody_has_the_server_ask_its_neighbours() {
    let site = Site::start();
    let usual = Previews::new(PreviewsConfig::default()).unwrap();
    let account = AccountId::from_random(1);
    for url in [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://[::1]/",
        "http://0x7f.1/",
        "http://[::ffff:10.0.0.1]/",
    ] {
        let refused = usual.find(account, url, 0).await;
        check_private(&refused);
    }
    for url in [&*format!("{}/", site.origin), "ftp://example.org/", "http://a@example.org/", "x"] {
        let refused = usual.find(account, url, 0).await;
        assert!(matches!(refused, Err(PreviewError::Url)), "{url}: {refused:?}");
    }
    assert_eq!(site.asked(), 0);
    // Behind a redirect and in a page it is the same, however the name is written.
    let previews = public(&site);
    site.find(&previews, "/3").await.unwrap();
    let found = site.find(&previews, "/private-image").await;
    assert!(matches!(found, Ok(Preview { image: None, .. })), "{found:?}");
    check_private(&site.find(&previews, "/to-private").await);
}

#[tokio::test]
async fn a_page_without_end_and_one_that_never_comes_hold_nobody() {
    let (site, previews) = (Site::start(), everywhere());
    let begun = Instant::now();
    assert_eq!(site.find(&previews, "/huge").await.unwrap().page.title, "Huge");
    assert!(begun.elapsed() < super::PAGE_WITHIN, "{PAGE_BYTES_MAX} bytes are read");
    let slow = site.find(&previews, "/slow").await;
    let is_late = matches!(slow, Err(PreviewError::Nothing(Reason::Late(_) | Reason::Exchange(_))));
    assert!(is_late && begun.elapsed() < 3 * super::PAGE_WITHIN, "{slow:?}");
}

#[tokio::test]
async fn an_account_has_so_many() {
    let previews = everywhere();
    for round in 0..=super::pace::PER_MINUTE_MAX {
        // Nobody listens there.
        let outcome = previews.find(AccountId::from_random(1), "http://127.0.0.1:1/", 60).await;
        let is_enough = matches!(outcome, Err(PreviewError::TooMany { retry_after_s: 60 }));
        assert_eq!(is_enough, round == super::pace::PER_MINUTE_MAX, "{outcome:?}");
    }
}
