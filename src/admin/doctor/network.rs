//! Ports and names.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use super::Finding;
use crate::config::Config;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Can the server bind its ports? If it runs: does it answer on them?
pub(super) fn check_ports(config: &Config, is_served: bool) -> Vec<Finding> {
    let none = Vec::new();
    let xmpp = |list| if config.xmpp.enabled { list } else { &none };
    let listeners = [
        ("http.listen", &config.http.listen),
        ("http.listen_tls", &config.http.listen_tls),
        ("xmpp.listen", xmpp(&config.xmpp.listen)),
        ("xmpp.listen_tls", xmpp(&config.xmpp.listen_tls)),
        ("admin.listen", &config.admin.listen),
    ];
    let addresses = listeners.iter().flat_map(|(key, list)| list.iter().map(move |at| (*key, *at)));
    let calls = if config.has_calls() { &config.call.udp_listen } else { &none };
    addresses
        .map(|(key, address)| match is_served {
            true => check_answers(key, address),
            false => check_free(key, address),
        })
        .chain(calls.iter().map(|address| check_udp("call.udp_listen", *address, is_served)))
        .collect()
}

/// Can the server bind a UDP port? If it runs, it has: nobody answers a stranger there.
fn check_udp(key: &str, address: SocketAddr, is_served: bool) -> Finding {
    let subject = format!("{key} {address} (UDP)");
    match UdpSocket::bind(address) {
        Err(error) if is_served && error.kind() == io::ErrorKind::AddrInUse => {
            Finding::ok(subject, "taken, as it should be")
        }
        Ok(_) if is_served && address.port() != 0 => {
            let fix = "see the server's log, and `[call] enabled`";
            Finding::fail(subject, "the server does not listen there", fix)
        }
        Ok(_) => Finding::ok(subject, "free"),
        Err(error) => {
            let (evidence, fix) = bind_advice(&error, address);
            Finding::fail(subject, evidence, fix.replace("ss -ltnp", "ss -lunp"))
        }
    }
}

fn check_free(key: &str, address: SocketAddr) -> Finding {
    let subject = format!("{key} {address}");
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(subject, "free"),
        Err(error) => {
            let (evidence, fix) = bind_advice(&error, address);
            Finding::fail(subject, evidence, fix)
        }
    }
}

/// What a failed bind means, and what to do.
pub fn bind_advice(error: &io::Error, address: SocketAddr) -> (String, String) {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => (
            "another program listens there".to_owned(),
            format!("stop it (ss -ltnp 'sport = :{port}' names it), or choose another port"),
        ),
        io::ErrorKind::PermissionDenied => (
            format!("this user may not bind port {port}"),
            "use systemd's socket activation, CAP_NET_BIND_SERVICE, or a port above 1023"
                .to_owned(),
        ),
        io::ErrorKind::AddrNotAvailable => (
            "this machine has no such address".to_owned(),
            "correct it, or listen on 0.0.0.0 or [::]".to_owned(),
        ),
        _ => (error.to_string(), "correct the address".to_owned()),
    }
}

fn check_answers(key: &str, mut address: SocketAddr) -> Finding {
    let subject = format!("{key} {address}");
    if address.port() == 0 {
        return Finding::ok(subject, "the system chose the port");
    }
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip([127, 0, 0, 1].into()),
        IpAddr::V6(ip) if ip.is_unspecified() => {
            address.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
        Ok(_) => Finding::ok(subject, "the server answers"),
        Err(error) => Finding::fail(subject, error.to_string(), "see the server's log"),
    }
}

/// Does the domain's name lead somewhere?
pub(super) fn check_name(domain: &str) -> Finding {
    let subject = format!("DNS of {domain}");
    match look_up(domain) {
        Some(Ok(addresses)) if !addresses.is_empty() => {
            let addresses: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
            Finding::ok(subject, addresses.join(", "))
        }
        Some(Ok(_)) => Finding::fail(subject, "no addresses", fix_of(domain)),
        Some(Err(error)) => Finding::fail(subject, error.to_string(), fix_of(domain)),
        None => Finding::warn(
            subject,
            format!("no answer within {} s", LOOKUP_TIMEOUT.as_secs()),
            "check /etc/resolv.conf",
        ),
    }
}

fn fix_of(domain: &str) -> String {
    format!("add A and AAAA records for {domain}, or correct `domain`")
}

/// The resolver has no timeout of its own, so it runs on a thread that may outlive the question.
fn look_up(domain: &str) -> Option<io::Result<Vec<IpAddr>>> {
    let (answer, answered) = mpsc::sync_channel(1);
    let domain = domain.to_owned();
    std::thread::spawn(move || {
        let found = (domain.as_str(), 0).to_socket_addrs();
        let found = found.map(|addresses| addresses.map(|address| address.ip()).collect());
        let _ = answer.send(found);
    });
    answered.recv_timeout(LOOKUP_TIMEOUT).ok()
}
