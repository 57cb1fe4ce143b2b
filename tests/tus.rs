//! Uploads to a real server: tus 1.0 and a PUT of XEP-0363, cut, killed and refused.

mod process;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use media_store::{Digest, UnixSeconds, UploadId};
use process::{CONFIG, Process};
use whimbrel::edge::upload::token::{Grant, Purpose, Slot, UploadTokens};

const WAIT: Duration = Duration::from_secs(30);
const OFFSET_STREAM: (&str, &str) = ("content-type", "application/offset+octet-stream");

struct Server {
    folder: tempfile::TempDir,
    process: Process,
    address: SocketAddr,
}

impl Server {
    fn start(http: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), http)
    }

    fn start_in(folder: tempfile::TempDir, http: &str) -> Self {
        let config = CONFIG.replace("[http]\n", &format!("[http]\n{http}\n"));
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let process = Process::serve(folder.path(), &["serve", "-c", "config.toml"]);
        let address = process.address("http");
        Self { folder, process, address }
    }

    /// Kills the server with SIGKILL and starts it anew.
    fn kill_and_start(self) -> Self {
        let Self { folder, process, .. } = self;
        drop(process);
        Self::start_in(folder, "")
    }

    fn token(&self, bytes_max: u64, purpose: Purpose) -> String {
        let grant = Grant {
            owner: "alice".into(),
            bytes_max,
            count_max: 20,
            expected: None,
            reference_until: None,
            expires: UnixSeconds(UnixSeconds::now().0 + 600),
            purpose,
        };
        let data = self.folder.path().join("data");
        UploadTokens::open(&data).unwrap().issue(&grant).unwrap()
    }

    fn send(&self, line: &str, fields: &[(&str, &str)], content: &[u8]) -> Reply {
        let length = content.len().to_string();
        let mut all = vec![("content-length", length.as_str())];
        all.extend_from_slice(fields);
        let mut stream = self.open(line, &all);
        // A refused request is not read to its end.
        let _ = stream.write_all(content);
        Reply::read(&mut stream)
    }

    fn open(&self, line: &str, fields: &[(&str, &str)]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let mut head = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
        for (name, value) in fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        stream
    }

    fn tus(&self, line: &str, fields: &[(&str, &str)], content: &[u8]) -> Reply {
        let mut all = vec![("tus-resumable", "1.0.0")];
        all.extend_from_slice(fields);
        self.send(line, &all, content)
    }

    /// Creates an upload and gives its path.
    fn create(&self, len: usize, fields: &[(&str, &str)]) -> String {
        let token = format!("Bearer {}", self.token(1 << 30, Purpose::Tus));
        let len = len.to_string();
        let mut all = vec![("authorization", token.as_str()), ("upload-length", &len)];
        all.extend_from_slice(fields);
        let reply = self.tus("POST /upload", &all, b"");
        assert_eq!(reply.status, 201, "{}", reply.text());
        reply.field("location").unwrap().to_owned()
    }

    fn patch(&self, path: &str, offset: usize, content: &[u8]) -> Reply {
        let offset = offset.to_string();
        self.tus(&format!("PATCH {path}"), &[OFFSET_STREAM, ("upload-offset", &offset)], content)
    }

    fn offset(&self, path: &str) -> usize {
        let reply = self.tus(&format!("HEAD {path}"), &[], b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.field("upload-offset").unwrap().parse().unwrap()
    }

    /// Files of objects and of uploads under way, by their length.
    fn files_of_len(&self, len: usize) -> usize {
        let mut found = 0;
        visit(&self.folder.path().join("data/media"), &mut |file| {
            found += usize::from(fs::metadata(file).is_ok_and(|it| it.len() == len as u64));
        });
        found
    }
}

fn visit(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => visit(&entry.path(), each),
            false => each(&entry.path()),
        }
    }
}

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        // The server may close a connection whose request it did not read.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no head: {}", String::from_utf8_lossy(&bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    fn text(&self) -> String {
        format!("{}\n\n{}", self.head, String::from_utf8_lossy(&self.body))
    }
}

/// Bytes that differ everywhere.
fn film(len: usize) -> Vec<u8> {
    (0..len as u64 / 8 + 1)
        .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .take(len)
        .collect()
}

#[test]
fn an_upload_in_pieces_becomes_an_object() {
    for http in ["", "io_uring = \"off\""] {
        let server = Server::start(http);
        let film = film(3_000_000);
        let path = server.create(film.len(), &[("upload-metadata", "filetype dmlkZW8vbXA0")]);
        let first = server.patch(&path, 0, &film[..1_000_001]);
        assert_eq!((first.status, first.field("upload-offset")), (204, Some("1000001")));
        assert!(
            first.field("upload-expires").is_some() && first.field("content-location").is_none()
        );
        assert_eq!(server.patch(&path, 0, &film).status, 409);
        assert_eq!(server.offset(&path), 1_000_001);
        let last = server.patch(&path, 1_000_001, &film[1_000_001..]);
        assert_eq!(last.status, 204, "{}", last.text());
        let media = format!("/media/{}", Digest::of(&film));
        assert_eq!(last.field("content-location"), Some(media.as_str()));
        let got = server.send(&format!("GET {media}"), &[], b"");
        assert_eq!((got.status, got.field("content-type")), (200, Some("video/mp4")));
        assert!(got.body == film);
        assert_eq!(server.files_of_len(film.len()), 1);
        server.process.stop();
    }
}

#[test]
fn same_bytes_are_one_object() {
    let server = Server::start("");
    let film = film(100_000);
    for _ in 0..2 {
        let path = server.create(film.len(), &[]);
        assert_eq!(server.patch(&path, 0, &film).status, 204);
    }
    assert_eq!(server.files_of_len(film.len()), 1);
}

#[test]
fn what_came_before_a_cut_stays() {
    let server = Server::start("");
    let film = film(2_000_000);
    let path = server.create(film.len(), &[]);
    let length = film.len().to_string();
    let fields = [
        ("tus-resumable", "1.0.0"),
        ("content-length", length.as_str()),
        ("upload-offset", "0"),
        OFFSET_STREAM,
    ];
    let mut stream = server.open(&format!("PATCH {path}"), &fields);
    stream.write_all(&film[..700_000]).unwrap();
    stream.shutdown(Shutdown::Both).unwrap();
    let begun = Instant::now();
    while server.offset(&path) != 700_000 {
        assert!(begun.elapsed() < WAIT, "{} bytes stayed", server.offset(&path));
        std::thread::sleep(Duration::from_millis(10));
    }
    let last = server.patch(&path, 700_000, &film[700_000..]);
    assert_eq!(last.field("content-location"), Some(&*format!("/media/{}", Digest::of(&film))));
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let mut server = Server::start("");
    let film = film(3_000_000);
    let path = server.create(film.len(), &[]);
    assert_eq!(server.patch(&path, 0, &film[..1_500_000]).status, 204);
    server = server.kill_and_start();
    assert_eq!(server.offset(&path), 1_500_000);
    let last = server.patch(&path, 1_500_000, &film[1_500_000..]);
    assert_eq!(last.status, 204, "{}", last.text());
    server = server.kill_and_start();
    let got = server.send(&format!("GET /media/{}", Digest::of(&film)), &[], b"");
    assert!(got.status == 200 && got.body == film, "{}", got.head);
}

#[test]
fn a_chunk_without_its_checksum_is_discarded() {
    let server = Server::start("");
    let path = server.create(10, &[]);
    let patch = |offset: &str, sum: &str, content: &[u8]| {
        let fields = [OFFSET_STREAM, ("upload-offset", offset), ("upload-checksum", sum)];
        server.tus(&format!("PATCH {path}"), &fields, content).status
    };
    assert_eq!(patch("0", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", b"hallo"), 460);
    assert_eq!(server.offset(&path), 0);
    assert_eq!(patch("0", "md5 XUFAKrxLKna5cZ2REBfFkg==", b"hello"), 400);
    assert_eq!(patch("0", "sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=", b"hello"), 204);
    let sha256 = "sha256 LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=";
    assert_eq!(patch("5", sha256, b"hello"), 204);
    assert_eq!(server.files_of_len(10), 1);
}

#[test]
fn a_wrong_digest_is_refused_with_both() {
    let server = Server::start("");
    let (expected, actual) = (Digest::of(b"hello"), Digest::of(b"hallo"));
    let told = data_encoding::BASE64.encode(expected.to_string().as_bytes());
    let path = server.create(5, &[("upload-metadata", &format!("blake3 {told}"))]);
    let reply = server.patch(&path, 0, b"hallo");
    assert_eq!(reply.status, 422);
    let text = reply.text();
    assert!(text.contains(&expected.to_string()) && text.contains(&actual.to_string()), "{text}");
    assert_eq!(server.tus(&format!("HEAD {path}"), &[], b"").status, 404);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_sent() {
    let server = Server::start("");
    let token = format!("Bearer {}", server.token(100, Purpose::Tus));
    let fields = [("authorization", token.as_str()), ("upload-length", "101")];
    assert_eq!(server.tus("POST /upload", &fields, b"").status, 413);
    let path = server.create(5, &[]);
    let mut stream = server.open(
        &format!("PATCH {path}"),
        &[
            ("tus-resumable", "1.0.0"),
            ("content-length", "6"),
            ("expect", "100-continue"),
            ("upload-offset", "0"),
            OFFSET_STREAM,
        ],
    );
    assert_eq!(Reply::read(&mut stream).status, 413);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_left_on_it() {
    let folder = tempfile::tempdir().unwrap();
    let media = folder.path().join("data/media");
    fs::create_dir_all(&media).unwrap();
    let Some(disk) = SmallDisk::mount(&media) else {
        eprintln!("skipped: tmpfs can be mounted by root only");
        return;
    };
    let server = Server::start_in(folder, "");
    let token = format!("Bearer {}", server.token(1 << 30, Purpose::Tus));
    let fields = [("authorization", token.as_str()), ("upload-length", "40000000")];
    assert_eq!(server.tus("POST /upload", &fields, b"").status, 507);
    // Of a length that is not known beforehand, the disk itself tells.
    let fields = [("authorization", token.as_str()), ("upload-defer-length", "1")];
    let created = server.tus("POST /upload", &fields, b"");
    let path = created.field("location").unwrap().to_owned();
    let mut stream = server.open(
        &format!("PATCH {path}"),
        &[
            ("tus-resumable", "1.0.0"),
            ("content-length", "60000000"),
            ("upload-offset", "0"),
            OFFSET_STREAM,
        ],
    );
    let _ = stream.write_all(&film(60_000_000));
    let begun = Instant::now();
    while server.tus(&format!("HEAD {path}"), &[], b"").status != 404 {
        assert!(begun.elapsed() < WAIT, "the upload stays");
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut left = 0;
    visit(&media.join("uploads"), &mut |_| left += 1);
    assert_eq!(left, 0);
    // There is room again.
    let path = server.create(100_000, &[]);
    assert_eq!(server.patch(&path, 0, &film(100_000)).status, 204);
    drop(server);
    drop(disk);
}

/// A disk of 40 MiB.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        let mount = ["-t", "tmpfs", "-o", "size=40m", "tmpfs"];
        let mounted = Command::new("mount").args(mount).arg(at).output().ok()?;
        mounted.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn tokens_and_headers_are_asked_for() {
    let server = Server::start("");
    let check = |fields: &[(&str, &str)], expected: u16| {
        let reply = server.send("POST /upload", fields, b"");
        assert_eq!(reply.status, expected, "{fields:?}: {}", reply.text());
    };
    let (version, length) = (("tus-resumable", "1.0.0"), ("upload-length", "5"));
    let token = format!("Bearer {}", server.token(100, Purpose::Tus));
    let token = ("authorization", token.as_str());
    check(&[version, length], 401);
    check(&[version, length, ("authorization", "Bearer 1.e30.AAAA")], 401);
    check(&[length, token], 412);
    check(&[version, token], 400);
    check(&[version, length, token], 201);
    check(&[version, token, ("upload-defer-length", "1")], 201);
    let options = server.send("OPTIONS /upload", &[], b"");
    assert_eq!((options.status, options.field("tus-version")), (204, Some("1.0.0")));
    let id = UploadId::random().unwrap();
    assert_eq!(server.patch(&format!("/upload/{id}"), 0, b"x").status, 404);
    assert_eq!(server.tus("GET /upload", &[], b"").status, 405);
}

#[test]
fn a_length_may_be_said_later_and_an_upload_given_up() {
    let server = Server::start("");
    let token = format!("Bearer {}", server.token(100, Purpose::Tus));
    let fields = [("authorization", token.as_str()), ("upload-defer-length", "1"), OFFSET_STREAM];
    let created = server.tus("POST /upload", &fields, b"hel");
    assert_eq!((created.status, created.field("upload-offset")), (201, Some("3")));
    let path = created.field("location").unwrap().to_owned();
    let fields = [OFFSET_STREAM, ("upload-offset", "3"), ("upload-length", "5")];
    let last = server.tus(&format!("PATCH {path}"), &fields, b"lo");
    let media = format!("/media/{}", Digest::of(b"hello"));
    assert_eq!(last.field("content-location"), Some(&*media), "{}", last.text());

    let path = server.create(5, &[]);
    let terminate = ("x-http-method-override", "DELETE");
    assert_eq!(server.tus(&format!("POST {path}"), &[terminate], b"").status, 204);
    assert_eq!(server.tus(&format!("HEAD {path}"), &[], b"").status, 404);
}

#[test]
fn a_slot_takes_what_it_was_asked_for_and_nothing_else() {
    let server = Server::start("");
    let slot = Slot {
        id: UploadId::random().unwrap(),
        name: "a b.txt".into(),
        len: 5,
        media_type: Some("text/plain".into()),
    };
    let path = slot.path();
    let token = server.token(5, Purpose::Slot(slot));
    let put = |path: &str, media_type: &str, content: &[u8]| {
        let line = format!("PUT {path}?v={token}");
        server.send(&line, &[("content-type", media_type)], content).status
    };
    assert_eq!(server.send(&format!("PUT {path}"), &[], b"hello").status, 401);
    assert_eq!(put(&format!("{path}x"), "text/plain", b"hello"), 403);
    assert_eq!(put(&path, "text/plain", b"hello!"), 413);
    assert_eq!(put(&path, "text/plain", b"hell"), 400);
    assert_eq!(put(&path, "text/html", b"hello"), 415);
    assert_eq!(put(&path, "text/plain", b"hello"), 201);
    assert_eq!(put(&path, "text/plain", b"hello"), 409);
    let got = server.send(&format!("GET {path}"), &[], b"");
    assert_eq!((got.status, &got.body[..]), (200, &b"hello"[..]), "{}", got.head);
    assert!(!server.process.log().contains(&token));
}

#[test]
fn tus_js_client_uploads_and_resumes() {
    let clients = clients();
    if !installed("node") || !installed("npm") {
        eprintln!("skipped: node and npm are not installed");
        return;
    }
    if !clients.join("node_modules/tus-js-client").exists() {
        let installed = Command::new("npm").args(["ci", "--silent"]).current_dir(&clients).status();
        assert!(installed.unwrap().success(), "npm ci");
    }
    drive("node", &clients.join("tus-js-client.mjs"));
}

#[test]
fn tuspy_uploads_and_resumes() {
    let Some(python) = python_with_tuspy() else {
        eprintln!("skipped: python3 with tuspy is not installed (see tests/clients)");
        return;
    };
    drive(&python, &clients().join("tuspy_client.py"));
}

/// Runs a client that uploads a file in pieces, is cut in the middle, and resumes.
fn drive(program: &str, script: &Path) {
    let server = Server::start("");
    let film = film(5_000_000);
    let file = server.folder.path().join("film.mp4");
    fs::write(&file, &film).unwrap();
    let url = format!("http://{}/upload", server.address);
    let token = server.token(1 << 30, Purpose::Tus);
    let output =
        Command::new(program).arg(script).arg(&url).arg(&token).arg(&file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let got = server.send(&format!("GET /media/{}", Digest::of(&film)), &[], b"");
    assert!(got.status == 200 && got.body == film, "{output:?} {}", got.head);
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|it| it.status.success())
}

fn python_with_tuspy() -> Option<String> {
    let own = clients().join(".venv/bin/python").display().to_string();
    [own, "python3".to_owned()].into_iter().find(|python| {
        let import = Command::new(python).args(["-c", "import tusclient"]).output();
        import.is_ok_and(|it| it.status.success())
    })
}
