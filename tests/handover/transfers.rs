//! Long transfers that run while the server is replaced.

use std::fs;
use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use media_store::{Digest, UnixSeconds};
use whimbrel::edge::upload::token::{Grant, Purpose, UploadTokens};

use crate::load::{Door, Head, Stream};
use crate::process::Process;
use crate::{LANES, write_config};

const DOWNLOAD_BYTES: usize = 100 << 20;
const UPLOAD_BYTES: usize = 24 << 20;
const PIECE_BYTES: usize = 256 << 10;

#[test]
fn a_download_that_runs_across_a_hand_over_comes_whole() {
    for lane in LANES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write_config(path, lane);
        let film = bytes(DOWNLOAD_BYTES);
        fs::create_dir(path.join("www")).unwrap();
        fs::write(path.join("www/film.mp4"), &film).unwrap();

        let mut old = Process::serve(path, &[]);
        let mut downloads = Door::both(&old, path).map(|door| {
            let mut open = door.connect().unwrap();
            let request = b"GET /film.mp4 HTTP/1.1\r\nHost: localhost\r\n\r\n";
            open.get_mut().write_all(request).unwrap();
            open.get_mut().flush().unwrap();
            let head = Head::read(&mut open).unwrap();
            assert_eq!((head.status, head.length), (200, DOWNLOAD_BYTES));
            (open, Vec::with_capacity(DOWNLOAD_BYTES))
        });
        downloads.iter_mut().for_each(|download| read_on(download, DOWNLOAD_BYTES / 10));
        let new = Process::serve(path, &["serve", "--take-over"]);
        // Sockets hold a few of the rest; the old server has to send most of it.
        for download in &mut downloads {
            read_on(download, DOWNLOAD_BYTES / 2);
            assert!(old.is_running(), "{}", old.log());
            read_on(download, DOWNLOAD_BYTES);
            assert!(download.1 == film, "{lane}: the bytes differ");
        }
        drop(downloads);
        assert!(old.wait().success(), "{}", old.log());
        new.stop();
    }
}

fn read_on((open, content): &mut (BufReader<Box<dyn Stream>>, Vec<u8>), to: usize) {
    let from = content.len();
    content.resize(to, 0);
    open.read_exact(&mut content[from..]).unwrap();
}

#[test]
fn an_upload_that_runs_across_a_hand_over_resumes() {
    for lane in LANES {
        for tls in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            write_config(folder.path(), lane);
            println!("-- {lane}, tls: {tls}");
            resume_across_a_hand_over(folder.path(), tls);
        }
    }
}

fn resume_across_a_hand_over(folder: &Path, tls: bool) {
    let film = bytes(UPLOAD_BYTES);
    let mut old = Process::serve(folder, &[]);
    let door = if tls { Door::tls(&old, folder) } else { Door::plain(&old) };
    let authorization = format!("authorization: Bearer {}\r\n", token(folder));
    let length = format!("upload-length: {UPLOAD_BYTES}\r\n");
    let created = tus(&door, "POST /upload", &[&authorization, &length], b"");
    assert_eq!(created.status, 201);
    let upload = created.field("location").unwrap().to_owned();

    // A client on a slow line sends all the while; it is the hand-over that stops it.
    let (runs, running) = mpsc::channel();
    let sender = {
        let (door, upload, film) = (door.clone(), upload.clone(), film.clone());
        std::thread::spawn(move || send_slowly(&door, &upload, &film, &runs))
    };
    running.recv().unwrap();
    let new = Process::serve(folder, &["serve", "--take-over"]);
    let sent = sender.join().unwrap();
    assert!(sent < UPLOAD_BYTES, "the upload ended before the hand-over");

    let kept = tus(&door, &format!("HEAD {upload}"), &[], b"");
    assert_eq!(kept.status, 200);
    let offset: usize = kept.field("upload-offset").unwrap().parse().unwrap();
    assert!(offset > 0 && offset < UPLOAD_BYTES, "{offset}");
    let at = format!("upload-offset: {offset}\r\n");
    let ended = tus(&door, &format!("PATCH {upload}"), &[OFFSET_STREAM, &at], &film[offset..]);
    assert_eq!(ended.status, 204);
    let media = format!("/media/{}", Digest::of(&film));
    assert_eq!(ended.field("content-location"), Some(media.as_str()));
    assert!(old.wait().success(), "{}", old.log());
    let verified = crate::process::run_well(folder, &["media", "verify"]);
    assert!(verified.contains("all whole"), "{verified}");
    new.stop();
}

/// Sends until the server stops taking; returns how much it took, at most.
fn send_slowly(door: &Door, upload: &str, film: &[u8], runs: &mpsc::Sender<()>) -> usize {
    let mut open = door.connect().unwrap();
    let length = format!("content-length: {}\r\n", film.len());
    let head = head(&format!("PATCH {upload}"), &[OFFSET_STREAM, "upload-offset: 0\r\n", &length]);
    open.get_mut().write_all(head.as_bytes()).unwrap();
    let mut sent = 0;
    for piece in film.chunks(PIECE_BYTES) {
        if open.get_mut().write_all(piece).and_then(|()| open.get_mut().flush()).is_err() {
            break;
        }
        sent += piece.len();
        if sent > UPLOAD_BYTES / 10 {
            let _ = runs.send(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    sent
}

/// One request of tus on a connection of its own.
fn tus(door: &Door, line: &str, fields: &[&str], content: &[u8]) -> Head {
    let mut open = door.connect().unwrap();
    let length = format!("content-length: {}\r\nconnection: close\r\n", content.len());
    let head = head(line, &[fields, &[&length]].concat());
    open.get_mut().write_all(head.as_bytes()).unwrap();
    open.get_mut().write_all(content).unwrap();
    open.get_mut().flush().unwrap();
    Head::read(&mut open).unwrap()
}

fn head(line: &str, fields: &[&str]) -> String {
    let fields = fields.concat();
    format!("{line} HTTP/1.1\r\nhost: localhost\r\ntus-resumable: 1.0.0\r\n{fields}\r\n")
}

fn token(folder: &Path) -> String {
    let grant = Grant {
        owner: "alice".into(),
        bytes_max: 1 << 30,
        count_max: 1,
        expected: None,
        reference_until: None,
        expires: UnixSeconds(UnixSeconds::now().0 + 600),
        purpose: Purpose::Tus,
    };
    UploadTokens::open(&folder.join("data")).unwrap().issue(&grant).unwrap()
}

/// Bytes of which no part is like another.
fn bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut state = 1_u64;
    for word in bytes.chunks_exact_mut(8) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        word.copy_from_slice(&state.to_le_bytes());
    }
    bytes
}

const OFFSET_STREAM: &str = "content-type: application/offset+octet-stream\r\n";
