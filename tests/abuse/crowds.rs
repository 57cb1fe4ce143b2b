//! More clients than there are descriptors, and clients that come and go.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::process::{CONFIG, Process, get};
use crate::support::until;
use crate::support::wire::Wire;

const IDLE: usize = 2_000;
/// What a process may gain by churn: allocators keep some of what they were given.
const GROWTH_BYTES_MAX: u64 = 3 << 20;

struct Server {
    process: Process,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

fn serve(io_uring: &str) -> Server {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("www")).unwrap();
    fs::write(folder.path().join("www/hello.txt"), "hello\n").unwrap();
    let http = format!("[runtime]\nedge_threads = 1\n[http]\nio_uring = \"{io_uring}\"\n");
    fs::write(folder.path().join("config.toml"), CONFIG.replace("[http]\n", &http)).unwrap();
    let process = Process::serve(folder.path(), &["serve", "-c", "config.toml"]);
    let address = process.address("http");
    Server { process, address, _folder: folder }
}

impl Server {
    fn descriptors(&self) -> u64 {
        fs::read_dir(format!("/proc/{}/fd", self.process.pid())).unwrap().count() as u64
    }

    fn limit_descriptors(&self, limit: u64) {
        let pid = Pid::from_raw(self.process.pid() as i32);
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(limit), maximum };
        prlimit(pid, Resource::Nofile, limit).unwrap();
    }

    fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    }

    fn panics(&self) -> f64 {
        let (_, metrics) = get(self.process.address("admin"), "/metrics");
        let lines = metrics.lines().filter(|line| line.starts_with("whimbrel_http_panics_total"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}

#[test]
fn when_descriptors_are_used_up_others_go_on_and_accepting_recovers() {
    for io_uring in ["auto", "off"] {
        println!("-- {io_uring}");
        let server = serve(io_uring);
        let mut early = Wire::plain(TcpStream::connect(server.address).unwrap());
        assert!(early.is_open());
        let limit = server.descriptors() + 20;
        server.limit_descriptors(limit);
        let crowd: Vec<_> = (0..60).map(|_| TcpStream::connect(server.address).unwrap()).collect();
        until("descriptors are used up", || server.descriptors() >= limit);
        for _ in 0..50 {
            assert!(early.is_open(), "who is connected is served");
        }
        // Those that came in are served; those that wait are, once others leave.
        for (number, mut tcp) in crowd.into_iter().enumerate() {
            tcp.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
            tcp.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                .unwrap();
            let mut answer = String::new();
            tcp.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{number}: {error}"));
            assert!(answer.ends_with("hello\n"), "{number}: {answer}");
        }
        assert_eq!(get(server.address, "/hello.txt"), (200, "hello\n".to_owned()));
        assert_eq!(server.panics(), 0.0);
        server.process.stop();
    }
}

#[test]
fn memory_stays_flat_while_clients_come_and_go() {
    let server = serve("auto");
    let round = || {
        let idle: Vec<_> = (0..IDLE)
            .map(|_| {
                let mut wire = Wire::plain(TcpStream::connect(server.address).unwrap());
                assert!(wire.is_open());
                wire
            })
            .collect();
        for number in 0..IDLE {
            let mut wire = Wire::plain(TcpStream::connect(server.address).unwrap());
            match number % 4 {
                // In the middle of a head, of an answer, in order, and handed to hyper.
                0 => wire.send("GET /hel"),
                1 => wire.send("GET /hello.txt HTTP/1.1\nHost: x\n\n"),
                2 => assert!(wire.is_open()),
                _ => {
                    wire.send("POST /hello.txt HTTP/1.1\nHost: x\nContent-Length: 1\n\nx");
                    assert_eq!(wire.answer("POST").status, 405);
                }
            }
        }
        drop(idle);
    };
    round();
    round();
    let before = server.resident_bytes();
    (0..3).for_each(|_| round());
    let after = server.resident_bytes();
    println!("{before} bytes, then {after}");
    assert!(after <= before + GROWTH_BYTES_MAX, "{before} bytes became {after}");
    assert_eq!(server.panics(), 0.0);
    server.process.stop();
}
