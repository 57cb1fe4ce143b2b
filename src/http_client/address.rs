//! Which addresses lie in the open Internet: not this machine, nor a network of its own. What
//! strangers name is asked there only, or they would have the server ask its neighbours for them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Whether an address is anybody's: globally reachable by the registries of special-purpose
/// addresses (RFC 6890), and not one of this machine's.
pub(super) fn is_public(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    is_global(ip) && !is_own(ip).unwrap_or(true)
}

fn is_global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_global_v4(v4),
        IpAddr::V6(v6) => is_global_v6(v6),
    }
}

fn is_global_v4(ip: Ipv4Addr) -> bool {
    let in_special_block = SPECIAL_V4.iter().any(|(block, prefix)| {
        let mask = u32::MAX << (32 - prefix);
        ip.to_bits() & mask == u32::from_be_bytes(*block)
    });
    !in_special_block
}

fn is_global_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let v4_at = |at: usize| {
        let [a, b] = segments[at].to_be_bytes();
        let [c, d] = segments[at + 1].to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match segments {
        // RFC 6052 2.1: a network without IPv4 reaches its servers so.
        [0x64, 0xff9b, 0, 0, 0, 0, _, _] => is_global_v4(v4_at(6)),
        // RFC 3056: 6to4.
        [0x2002, ..] => is_global_v4(v4_at(1)),
        // RFC 6890: protocol assignments, Teredo among them.
        [0x2001, 0..0x200, ..] => false,
        // RFC 3849, RFC 9637: documentation.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..0x1000, ..] => false,
        // RFC 4291 2.4: all that is handed out lies in 2000::/3.
        [first, ..] => first >> 13 == 1,
    }
}

/// Whether packets to an address would come back to this machine: then it is also what they would
/// leave from. Nothing is sent.
fn is_own(ip: IpAddr) -> io::Result<bool> {
    let unspecified: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((unspecified, 0))?;
    match socket.connect((ip, DISCARD_PORT)) {
        Ok(()) => Ok(socket.local_addr()?.ip() == ip),
        // Without a way there it is nobody's, and connecting says so better.
        Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => Ok(false),
        Err(error) => Err(error),
    }
}

/// RFC 863; any would do.
const DISCARD_PORT: u16 = 9;
/// Blocks that are not globally reachable, with the bits of their prefixes (RFC 6890, RFC 5771,
/// RFC 1112 4).
const SPECIAL_V4: [([u8; 4], u32); 15] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ip: &str, expected: bool) {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!(is_global(ip.to_canonical()), expected, "{ip}");
    }

    #[test]
    fn special_addresses_are_nobodys() {
        for ip in [
            "0.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.53",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "198.19.255.255",
            "224.0.0.251",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff:0:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            check(ip, false);
        }
    }

    #[test]
    fn others_are_anybodys() {
        for ip in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.255",
            "2600::1",
            "2a00:1450::1",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            check(ip, true);
        }
    }

    #[test]
    fn this_machine_is_known() {
        assert!(is_own("127.0.0.1".parse().unwrap()).unwrap());
        assert!(!is_public(SocketAddr::from(([127, 0, 0, 1], 443))));
    }
}
