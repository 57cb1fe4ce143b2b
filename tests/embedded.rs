//! The embedded mode: the example runs, and servers of one process do not meet.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use whimbrel::admin::request::ListenerRole;
use whimbrel::config::Config;
use whimbrel::server::{Running, Server};

fn config(folder: &std::path::Path) -> Config {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut config = Config { data_dir: folder.join("data"), ..Config::default() };
    config.http.listen = vec![any];
    config.http.listen_tls = vec![];
    config.xmpp.enabled = false;
    config.admin.listen = vec![any];
    config.sites[0].root = folder.to_owned();
    config
}

fn get(running: &Running, role: ListenerRole, target: &str) -> String {
    let mut stream = TcpStream::connect(running.address(role).unwrap()).unwrap();
    write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn two_servers_live_in_one_process() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(one.path().join("a.txt"), "first").unwrap();
    std::fs::write(two.path().join("a.txt"), "second").unwrap();
    let first = Server::builder().config(config(one.path())).start().unwrap();
    let given = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = given.local_addr().unwrap();
    let second = Server::builder()
        .config(config(two.path()))
        .listener(ListenerRole::Http, given)
        .start()
        .unwrap();
    assert_eq!(second.address(ListenerRole::Http), Some(address));
    assert!(get(&first, ListenerRole::Http, "/a.txt").ends_with("first"));
    assert!(get(&second, ListenerRole::Http, "/a.txt").ends_with("second"));
    assert!(get(&first, ListenerRole::Admin, "/healthz").starts_with("HTTP/1.1 200"));

    let third = Server::builder().config(config(one.path())).start().err().unwrap();
    assert_eq!(third.step, "data lock");
    first.stop();
    Server::builder().config(config(one.path())).start().unwrap().stop();

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(second.stopped());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_example_runs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("hello.txt"), "hello").unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--example", "embedded", "--"])
        .arg(folder.path())
        .args(["--seconds", "1"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(text.contains("http://127.0.0.1:") && text.contains("/media/"), "{text}");
    assert!(text.ends_with("stopped\n"), "{text}");
}
