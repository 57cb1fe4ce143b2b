//! Listening sockets: given, inherited from systemd or from the process before, or bound.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, Socket, Type};

use crate::admin::doctor;
use crate::admin::request::ListenerRole;
use crate::config::Config;

/// Connections that wait to be accepted; the system's own limit (somaxconn) may be lower.
const BACKLOG: i32 = 4096;

/// The listeners of one server, each with its purpose.
#[derive(Debug, Default)]
pub struct Listeners(Vec<(ListenerRole, TcpListener)>);

/// Why a port cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {}: {evidence}; {fix}", role.name())]
pub struct BindError {
    address: SocketAddr,
    role: ListenerRole,
    evidence: String,
    fix: String,
}

impl Listeners {
    /// Adds a listener.
    pub fn push(&mut self, role: ListenerRole, listener: TcpListener) {
        self.0.push((role, listener));
    }

    /// With all of `more`.
    pub fn merged(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// Further handles on all of them.
    pub fn try_clone(&self) -> io::Result<Self> {
        let handle = |(role, listener): &(ListenerRole, TcpListener)| {
            listener.try_clone().map(|listener| (*role, listener))
        };
        self.0.iter().map(handle).collect::<io::Result<_>>().map(Self)
    }

    /// Listeners that came as descriptors; those that are no listening TCP socket are closed.
    pub fn of_descriptors(named: impl IntoIterator<Item = (ListenerRole, OwnedFd)>) -> Self {
        let is_listening =
            |fd: &OwnedFd| rustix::net::sockopt::socket_acceptconn(fd).unwrap_or(false);
        let mut listeners = Self::default();
        for (role, descriptor) in named.into_iter().filter(|(_, fd)| is_listening(fd)) {
            let listener = TcpListener::from(descriptor);
            if listener.local_addr().is_ok() {
                listeners.push(role, listener);
            }
        }
        listeners
    }

    /// Takes from `self` what `config` asks for, and binds the rest. What it does not ask for is
    /// closed.
    pub fn complete(mut self, config: &Config) -> Result<Self, BindError> {
        let mut complete = Self::default();
        for (role, address) in wanted(config) {
            let listener = match self.take(role, address) {
                Some(listener) => listener,
                None => bind(role, address)?,
            };
            complete.push(role, listener);
        }
        Ok(complete)
    }

    /// Takes all of `self`; `config` is asked only for the roles that `self` has nothing for.
    /// Systemd's socket unit says where to listen, not the configuration.
    pub fn complete_roles(self, config: &Config) -> Result<Self, BindError> {
        let mut complete = self;
        let missing: Vec<_> =
            wanted(config).into_iter().filter(|(role, _)| !complete.has(*role)).collect();
        for (role, address) in missing {
            complete.push(role, bind(role, address)?);
        }
        Ok(complete)
    }

    /// Where each listens.
    pub fn addresses(&self) -> Vec<(ListenerRole, SocketAddr)> {
        let address = |(role, listener): &(ListenerRole, TcpListener)| {
            listener.local_addr().ok().map(|address| (*role, address))
        };
        self.0.iter().filter_map(address).collect()
    }

    /// The descriptors in the order of [`Self::addresses`].
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.0.iter().map(|(_, listener)| listener.as_fd()).collect()
    }

    /// Is there any of `role`?
    pub fn has(&self, role: ListenerRole) -> bool {
        self.0.iter().any(|(given, _)| *given == role)
    }

    /// Whether any of them needs a certificate.
    pub fn speak_tls(&self) -> bool {
        [ListenerRole::Https, ListenerRole::Xmpp, ListenerRole::XmppTls]
            .into_iter()
            .any(|role| self.has(role))
    }

    /// Further handles on the listeners of `role`.
    pub fn of(&self, role: ListenerRole) -> io::Result<Vec<TcpListener>> {
        let of_role = self.0.iter().filter(|(given, _)| *given == role);
        of_role.map(|(_, listener)| listener.try_clone()).collect()
    }

    fn take(&mut self, role: ListenerRole, address: SocketAddr) -> Option<TcpListener> {
        let fits = |listener: &TcpListener| {
            listener.local_addr().is_ok_and(|local| {
                // Port 0 asks for any port: the one there is stays.
                local.ip() == address.ip()
                    && (local.port() == address.port() || address.port() == 0)
            })
        };
        let found = self.0.iter().position(|(given, listener)| *given == role && fits(listener))?;
        Some(self.0.remove(found).1)
    }
}

fn wanted(config: &Config) -> Vec<(ListenerRole, SocketAddr)> {
    let mut roles = vec![
        (ListenerRole::Http, &config.http.listen),
        (ListenerRole::Https, &config.http.listen_tls),
    ];
    if config.xmpp.enabled {
        roles.push((ListenerRole::Xmpp, &config.xmpp.listen));
        roles.push((ListenerRole::XmppTls, &config.xmpp.listen_tls));
    }
    roles.push((ListenerRole::Admin, &config.admin.listen));
    roles.iter().flat_map(|(role, list)| list.iter().map(move |at| (*role, *at))).collect()
}

fn bind(role: ListenerRole, address: SocketAddr) -> Result<TcpListener, BindError> {
    bind_socket(address).map_err(|error| {
        let (evidence, fix) = doctor::bind_advice(&error, address);
        BindError { address, role, evidence, fix }
    })
}

fn bind_socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        // [::] takes IPv4 as well, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    // Connections of a process that just ended must not keep the port.
    socket.set_reuse_address(true)?;
    // Accepted connections inherit it.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(http: &[&str]) -> Config {
        let mut config = Config::default();
        config.http.listen = http.iter().map(|address| address.parse().unwrap()).collect();
        config.http.listen_tls.clear();
        config.xmpp.listen.clear();
        config.xmpp.listen_tls.clear();
        config.admin.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config
    }

    #[test]
    fn what_was_inherited_is_kept_and_the_rest_is_bound() {
        let before = Listeners::default().complete(&config(&["127.0.0.1:0"])).unwrap();
        let (_, kept) = before.addresses()[0];
        let descriptors = before.0.into_iter().map(|(role, listener)| (role, listener.into()));
        let inherited = Listeners::of_descriptors(descriptors.collect::<Vec<_>>());
        let after = inherited.complete(&config(&[&kept.to_string(), "127.0.0.1:0"])).unwrap();
        let addresses = after.addresses();
        assert_eq!(addresses.len(), 3);
        assert_eq!(addresses[0], (ListenerRole::Http, kept));
        assert_ne!(addresses[1].1, kept);
    }

    #[test]
    fn a_taken_port_is_named_with_its_fix() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let error = Listeners::default().complete(&config(&[&address])).unwrap_err().to_string();
        let expected = format!("cannot listen on {address} for http: another program listens");
        assert!(error.starts_with(&expected), "{error}");
    }

    #[test]
    fn what_is_no_listener_is_closed() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let listeners = Listeners::of_descriptors([(ListenerRole::Http, file.into())]);
        assert_eq!(listeners.addresses(), []);
    }
}
