//! Disks on bad days: a NAS that hangs holds up its own site only, and a file that shrinks while
//! it is served costs its own connection only.
#![cfg(target_os = "linux")]

mod support;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::thread;

use faulty_fs::{HangingFs, Mounted, Op};
use whimbrel::edge::site::SiteConfig;

use support::door::{Lane, TestServer, Transport, on_each_lane};
use support::site::pattern;
use support::until;
use support::wire::{Answer, Wire};

/// More than the threads that one site may hold.
const HUNG_CLIENTS: usize = 50;
/// More than the threads of the full lane.
const VIEWERS: usize = 600;
const FILM_BYTES: usize = 5 << 20;
/// More than all socket buffers together, and what is left of it.
const SHRINKS_FROM_BYTES: u64 = 64 << 20;
const SHRINKS_TO_BYTES: u64 = 24 << 20;

#[test]
fn a_nas_that_hangs_holds_up_its_own_site_only() {
    on_each_lane(|lane| {
        let nas = Nas::new();
        let server = nas.serve(lane);
        let media = server.put_media(b"an object");
        nas.mounted.hang(true);
        let hung: Vec<_> = (0..HUNG_CLIENTS)
            .map(|number| {
                let mut wire = server.connect(Transport::Plain);
                wire.send(&format!("GET /{number}.txt HTTP/1.1\nHost: nas\n\n"));
                wire
            })
            .collect();
        until("requests hang", || nas.mounted.hung_requests() > 0);
        others_are_served(&server, &media);
        nas.mounted.hang(false);

        for (number, mut wire) in hung.into_iter().enumerate() {
            let answer = wire.answer("GET");
            let content = format!("file {number}");
            // Who waited too long was told to come again.
            assert!(answer.text() == content || answer.status == 503, "{number}: {answer:?}");
        }
        until("the NAS serves again", || asked(&server, "nas", "/film.bin").status == 200);
        assert_eq!(server.metric("whimbrel_http_panics_total", ""), 0.0);
    });
}

#[test]
fn a_film_whose_disk_hangs_goes_on_when_the_disk_does() {
    on_each_lane(|lane| {
        for transport in [Transport::Plain, Transport::Tls13] {
            println!("-- {transport:?}");
            let nas = Nas::new();
            let server = nas.serve(lane);
            let media = server.put_media(b"an object");
            // The file is open and known; then its disk stops in the middle of it.
            let mut wire = server.connect(transport);
            wire.send("HEAD /film.bin HTTP/1.1\nHost: nas\n\n");
            assert_eq!(wire.answer("HEAD").status, 200);
            nas.mounted.hang_only(&[Op::Read]);
            wire.send("GET /film.bin HTTP/1.1\nHost: nas\n\n");
            until("a read hangs", || nas.mounted.hung_requests() > 0);
            let viewers: Vec<_> = (0..VIEWERS).map(|_| viewer(&server)).collect();
            others_are_served(&server, &media);
            put_is_finished(&server);
            nas.mounted.hang(false);
            assert!(wire.answer("GET").content == pattern(FILM_BYTES));
            for mut viewer in viewers {
                assert_eq!(viewer.answer("GET").content, pattern(10));
            }
            wire.send("GET /1.txt HTTP/1.1\nHost: nas\n\n");
            assert_eq!(wire.answer("GET").text(), "file 1");
        }
    });
}

/// Watches the film, from its beginning.
fn viewer(server: &TestServer) -> Wire {
    let mut wire = server.connect(Transport::Plain);
    wire.send("GET /film.bin HTTP/1.1\nHost: nas\nRange: bytes=0-9\n\n");
    wire
}

/// An upload needs threads too: there are some left.
fn put_is_finished(server: &TestServer) {
    let token = server.upload_token();
    let mut wire = server.connect(Transport::Plain);
    wire.send(&format!(
        "POST /upload HTTP/1.1\nHost: x\nTus-Resumable: 1.0.0\nAuthorization: Bearer {token}\n\
         Upload-Length: 5\nContent-Length: 5\nContent-Type: application/offset+octet-stream\n\n\
         photo"
    ));
    assert_eq!(wire.answer("POST").status, 201);
}

/// The site beside the NAS, media, and whoever asks how the server is; each on connections of
/// their own, new and old.
fn others_are_served(server: &TestServer, media: &str) {
    let mut old = server.connect(Transport::Plain);
    for _ in 0..20 {
        assert!(old.is_open());
        assert_eq!(asked(server, "x", "/hello.txt").content, b"hello\n");
        assert_eq!(asked(server, "x", "/folder/").status, 200);
        assert_eq!(asked(server, "x", "/absent").status, 404);
        assert_eq!(asked(server, "x", media).content, b"an object");
        assert_eq!(asked(server, "x", "/healthz").status, 200);
    }
    let mut tls = server.connect(Transport::Tls13);
    assert!(tls.is_open());
}

fn asked(server: &TestServer, host: &str, path: &str) -> Answer {
    let mut wire = server.connect(Transport::Plain);
    wire.send(&format!("GET {path} HTTP/1.1\nHost: {host}\n\n"));
    wire.answer("GET")
}

/// A site on a file system that hangs when told to.
struct Nas {
    mounted: Mounted,
    _folder: tempfile::TempDir,
}

impl Nas {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (backing, mount) = (folder.path().join("backing"), folder.path().join("mount"));
        fs::create_dir(&backing).unwrap();
        fs::create_dir(&mount).unwrap();
        for number in 0..HUNG_CLIENTS {
            let name = format!("{number}.txt");
            fs::write(backing.join(name), format!("file {number}")).unwrap();
        }
        fs::write(backing.join("film.bin"), pattern(FILM_BYTES)).unwrap();
        let mounted = HangingFs::default().direct_io(true).mount_with(&backing, &mount).unwrap();
        Self { mounted, _folder: folder }
    }

    fn serve(&self, lane: Lane) -> TestServer {
        let root = self.mounted.path().to_owned();
        TestServer::start_with(lane, |config, _| {
            let hosts = vec!["nas".to_owned()];
            config.sites.push(SiteConfig { hosts, root, ..SiteConfig::default() });
        })
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_served_costs_its_connection_only() {
    let disk = tempfile::tempdir().unwrap();
    let mut roots = vec![disk];
    // Where there is a tmpfs, its files shrink too.
    roots.extend(tempfile::tempdir_in("/dev/shm").ok());
    on_each_lane(|lane| {
        for root in &roots {
            for transport in [Transport::Plain, Transport::Tls12, Transport::Tls13] {
                println!("-- {transport:?} {root:?}");
                shrink_while_served(lane, transport, root.path());
            }
        }
    });
}

fn shrink_while_served(lane: Lane, transport: Transport, root: &Path) {
    let file = fs::File::create(root.join("shrinks.bin")).unwrap();
    file.set_len(SHRINKS_FROM_BYTES).unwrap();
    fs::write(root.join("stays.txt"), "stays").unwrap();
    let server = TestServer::start_with(lane, |config, _| config.sites[0].root = root.to_owned());
    let mut cut = server.connect(transport);
    cut.send("GET /shrinks.bin HTTP/1.1\nHost: x\n\n");
    cut.begun();
    file.set_len(SHRINKS_TO_BYTES).unwrap();

    let other = thread::scope(|scope| {
        let reader = scope.spawn(|| cut.try_answer("GET"));
        let other = asked(&server, "x", "/stays.txt");
        let Err(error) = reader.join().unwrap() else { panic!("what is gone was sent") };
        let kinds = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset];
        assert!(kinds.contains(&error.kind()), "{error}");
        other
    });
    assert_eq!(other.text(), "stays");
    let mut again: Wire = server.connect(transport);
    again.send("HEAD /shrinks.bin HTTP/1.1\nHost: x\n\n");
    // What was remembered of it may serve a second longer.
    let len = again.answer("HEAD").field("content-length").unwrap().parse::<u64>().unwrap();
    assert!(len == SHRINKS_TO_BYTES || len == SHRINKS_FROM_BYTES);
    assert_eq!(server.metric("whimbrel_http_panics_total", ""), 0.0);
}
