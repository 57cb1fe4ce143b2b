//! A server is replaced twice under load, and not one request fails; what takes long goes on.

#[path = "handover/load.rs"]
mod load;
mod process;
#[path = "support/tls.rs"]
mod tls;
#[path = "handover/transfers.rs"]
mod transfers;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use load::{BODY, Door, Load, PAUSE};
use process::{CONFIG, Process, get};

/// Values of `io_uring`: the fast lane, and tokio alone.
const LANES: [&str; 2] = ["auto", "off"];

fn write_config(folder: &Path, lane: &str) {
    let config = CONFIG.replace("[http]\n", &format!("[http]\nio_uring = \"{lane}\"\n"));
    fs::write(folder.join("config.toml"), config).unwrap();
}

#[test]
fn two_hand_overs_under_load_lose_no_request() {
    for lane in LANES {
        println!("-- {lane}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write_config(path, lane);
        fs::create_dir(path.join("www")).unwrap();
        fs::write(path.join("www/file.txt"), BODY).unwrap();

        let mut first = Process::serve(path, &[]);
        let roles = ["http", "https", "admin"];
        let addresses = roles.map(|role| first.address(role));
        let load = Load::on(&Door::both(&first, path));
        load.go_on_for(400);

        let mut second = Process::serve(path, &["serve", "--take-over"]);
        assert_eq!(roles.map(|role| second.address(role)), addresses);
        load.go_on_for(400);
        assert!(first.wait().success(), "{}", first.log());

        let third = Process::serve(path, &["--take-over"]);
        load.go_on_for(400);
        assert!(second.wait().success(), "{}", second.log());
        assert_eq!(get(addresses[2], "/healthz").0, 200);
        load.end();
        third.stop();
    }
}

#[test]
fn a_server_goes_on_when_its_successor_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    let server = Process::serve(path, &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = CONFIG.replacen("127.0.0.1:0", &format!("127.0.0.1:{port}"), 1);
    fs::write(path.join("config.toml"), config).unwrap();
    let failure = process::run_badly(path, &["--take-over"]);
    assert!(failure.contains("another program listens there"), "{failure}");
    assert_eq!(get(server.address("admin"), "/healthz").0, 200);
    server.stop();
}

#[test]
fn a_server_takes_up_again_when_its_successor_dies_halfway() {
    use std::os::unix::net::UnixStream;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    let mut server = Process::serve(path, &[]);
    {
        // A successor that says it is warm, lets the old one stop, and dies.
        let mut socket = UnixStream::connect(path.join("data/admin.sock")).unwrap();
        let mut say = |text: &str| {
            socket.write_all(&(text.len() as u32).to_be_bytes()).unwrap();
            socket.write_all(text.as_bytes()).unwrap();
        };
        say("{\"command\":\"take_over\",\"pid\":1}");
        say("\"ready\"");
        let mut answers = [0; 4096];
        let mut heard = String::new();
        while !heard.contains("released") {
            let more = socket.read(&mut answers).unwrap();
            assert_ne!(more, 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&answers[..more]));
        }
    }
    server.wait_for("failed halfway; this one goes on");
    // A request that waited all the while may come before the last part has started anew.
    let serves = |role| get(server.address(role), "/healthz").0 == 200;
    let ends_at = Instant::now() + Duration::from_secs(10);
    while !(serves("http") && serves("admin")) {
        assert!(Instant::now() < ends_at, "{}", server.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    process::run_well(path, &["media", "stat"]);
    server.stop();
}

#[test]
fn a_signal_has_the_new_program_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fs::write(path.join("config.toml"), CONFIG).unwrap();
    let mut old = Process::serve(path, &[]);
    let admin = old.address("admin");
    old.signal("USR2");
    assert!(old.wait().success(), "{}", old.log());
    let owner = fs::read_to_string(path.join("data/lock")).unwrap();
    let new: u32 = owner.trim().parse().unwrap();
    assert_ne!(new, old.pid());
    assert_eq!(get(admin, "/healthz").0, 200);
    process::signal(new, "TERM");
    while path.join("data/admin.sock").exists() {
        std::thread::sleep(PAUSE);
    }
}
