//! The `http` command against a small server of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output};

/// Serves `/ok` (5 bytes), `/bytes` (100 bytes, by range), and 404 for the rest, one thread per
/// connection, until the test ends.
fn start_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || serve(socket.unwrap()));
        }
    });
    address
}

fn serve(socket: TcpStream) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut writer = socket;
    while let Some((path, range)) = read_request(&mut reader) {
        let answer = match (path.as_str(), range) {
            ("/ok", None) => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".to_owned(),
            ("/bytes", Some((first, last))) => format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {first}-{last}/100\r\n\
                 Content-Length: {0}\r\n\r\n{1}",
                last - first + 1,
                "x".repeat(last - first + 1)
            ),
            ("/chunks", None) => {
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    .to_owned()
            }
            _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        };
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, Option<(usize, usize)>)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut range = None;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|bytes| *bytes > 0)?;
        if header == "\r\n" {
            return Some((path, range));
        }
        if let Some(bytes) = header.strip_prefix("Range: bytes=") {
            let (first, last) = bytes.trim().split_once('-')?;
            range = Some((first.parse().ok()?, last.parse().ok()?));
        }
    }
}

fn bench(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_whimbrel-bench");
    Command::new(program).arg("http").args(arguments).output().unwrap()
}

/// Runs `http` on `path` and compares the number of answers and the success of the run.
fn check(path: &str, arguments: &[&str], answers: &str, succeeds: bool) {
    let url = format!("http://{}{path}", start_server());
    let arguments = [&[url.as_str(), "-c", "4", "-d", "10s"], arguments].concat();
    let output = bench(&arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stdout.starts_with(&format!("{answers} answers")), "{stdout}{stderr}");
    assert_eq!(output.status.success(), succeeds, "{stdout}{stderr}");
}

#[test]
fn closed_loop_counts_its_answers() {
    check("/ok", &["-n", "200"], "200", true);
    check("/chunks", &["-n", "20"], "20", true);
    check("/ok", &["-n", "300", "--pipeline", "8"], "300", true);
}

#[test]
fn open_loop_counts_its_answers() {
    check("/ok", &["-n", "100", "--rps", "500"], "100", true);
}

#[test]
fn fresh_connections() {
    check("/ok", &["-n", "50", "--close"], "50", true);
}

#[test]
fn ranges() {
    check("/bytes", &["-n", "50", "--range", "10"], "50", true);
}

#[test]
fn paced_reading() {
    check("/ok", &["-n", "8", "--rate", "1MiB/s"], "8", true);
}

#[test]
fn wrong_answers_fail_the_run() {
    check("/missing", &["-n", "10"], "0", false);
    check("/missing", &["-n", "10", "--allow-errors"], "0", true);
    check("/missing", &["-n", "10", "--status", "404"], "10", true);
}

#[test]
fn nobody_there_fails_the_run() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let output = bench(&[&format!("https://{free}/"), "-c", "1", "--http2", "-d", "1s"]);
    assert!(!output.status.success());
    assert!(!bench(&["ftp://127.0.0.1/"]).status.success());
}
