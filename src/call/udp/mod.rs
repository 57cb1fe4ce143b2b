//! The sockets of calls: one UDP port for all peers, read and written in batches.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Protocol, Socket, Type};

use super::config::CallConfig;

#[cfg(target_os = "linux")]
pub use linux::{Inbox, Sender};
#[cfg(not(target_os = "linux"))]
pub use portable::{Inbox, Sender};

/// Bytes that the kernel is asked to hold for each socket and direction; it may give less.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;
/// Bytes of a datagram that are read: more is no packet of a call.
pub const DATAGRAM_BYTES_MAX: usize = 2048;
/// Datagrams that are read at once.
pub const BATCH_MAX: usize = 32;

/// The sockets of one endpoint.
pub struct Sockets {
    /// In the order of the configuration.
    pub sockets: Vec<UdpSocket>,
    /// What clients are told.
    pub candidates: Vec<SocketAddr>,
}

/// Why an address cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has it, or it is not this machine's.
    #[error("cannot listen on {address} (UDP) for calls: {source}; see [call] udp_listen")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

impl Sockets {
    /// Binds what is configured.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub fn bind(config: &CallConfig) -> Result<Self, BindError> {
        let (mut sockets, mut candidates) = (Vec::new(), Vec::new());
        for address in &config.udp_listen {
            let socket =
                bind(*address).map_err(|source| BindError::Bind { address: *address, source })?;
            let listened = socket.local_addr().unwrap_or(*address);
            for candidate in candidates_of(listened, &config.public_addresses) {
                if !candidates.contains(&candidate) {
                    candidates.push(candidate);
                }
            }
            sockets.push(socket);
        }
        Ok(Self { sockets, candidates })
    }
}

fn bind(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // What the system allows is enough for a start; `whimbrel doctor` tells of its limits.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// What clients are told of one socket: public addresses of its family, or its own.
fn candidates_of(listened: SocketAddr, public: &[IpAddr]) -> Vec<SocketAddr> {
    let port = listened.port();
    let told = public.iter().filter(|ip| ip.is_ipv4() == listened.is_ipv4());
    let told: Vec<SocketAddr> = told.map(|ip| SocketAddr::new(*ip, port)).collect();
    if !told.is_empty() {
        return told;
    }
    if !listened.ip().is_unspecified() {
        return vec![listened];
    }
    // Without a network there is this machine alone.
    let own = match listened {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    vec![SocketAddr::new(outward_address(listened).unwrap_or(own), port)]
}

/// The address that this machine would send from to the open Internet. Nothing is sent.
fn outward_address(listened: SocketAddr) -> io::Result<IpAddr> {
    // Of the ranges for documentation (RFC 5737, RFC 3849), which the default route leads to.
    let far: SocketAddr = match listened {
        SocketAddr::V4(_) => (Ipv4Addr::new(192, 0, 2, 1), 9).into(),
        SocketAddr::V6(_) => (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1), 9).into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(listened.ip(), 0))?;
    socket.connect(far)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::ice::Path;
    use crate::call::outbox::Outbox;

    #[test]
    fn clients_are_told_public_addresses_of_the_sockets_family() {
        let public = ["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
        let listened: SocketAddr = "0.0.0.0:3478".parse().unwrap();
        let told = candidates_of(listened, &public);
        assert_eq!(told, ["192.0.2.7:3478".parse().unwrap()]);
        let own: SocketAddr = "127.0.0.1:5".parse().unwrap();
        assert_eq!(candidates_of(own, &[]), [own]);
    }

    #[test]
    fn batches_leave_and_arrive_whole_and_in_order() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let config =
            CallConfig { udp_listen: vec![([127, 0, 0, 1], 0).into()], ..CallConfig::default() };
        let own = Sockets::bind(&config).unwrap();
        let path = Path { socket: 0, remote: peer.local_addr().unwrap() };
        let mut outbox = Outbox::new();
        let sent: Vec<Vec<u8>> =
            [700, 700, 700, 20, 900, 900, 1].iter().map(|len| vec![*len as u8; *len]).collect();
        sent.iter().for_each(|datagram| outbox.push(path, datagram));
        assert_eq!(Sender::default().send(&own.sockets, &outbox).dropped, 0);
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        for datagram in &sent {
            let (len, from) = peer.recv_from(&mut buffer).unwrap();
            assert_eq!(buffer[..len], datagram[..]);
            peer.send_to(&buffer[..len], from).unwrap();
        }
        let (mut inbox, mut received) = (Inbox::new(), Vec::new());
        while received.len() < sent.len() {
            let count = inbox.receive(&own.sockets[0]).unwrap();
            for at in 0..count {
                let (from, datagram) = inbox.datagram(at).unwrap();
                assert_eq!(from, path.remote);
                received.push(datagram.to_vec());
            }
        }
        assert_eq!(received, sent);
    }
}
