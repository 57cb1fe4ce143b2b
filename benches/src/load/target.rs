//! Where the load goes: an origin and the paths asked of it.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use rustls_pki_types::ServerName;

use crate::error::BenchError;

/// Scheme, host and port; all targets of a run share one.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub address: SocketAddr,
    /// The Host header and `:authority`.
    pub authority: String,
    pub server_name: ServerName<'static>,
    pub tls: bool,
}

/// One address to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Path and query.
    pub path: String,
}

impl Origin {
    /// Splits `http://host:port/path` into origin and target, and resolves the host.
    ///
    /// # Errors
    /// The address is not one, or has no host that can be found.
    pub fn parse(url: &str) -> Result<(Self, Target), BenchError> {
        let refused =
            || BenchError::Parse { text: url.to_owned(), wanted: "an http or https address" };
        let uri: http::Uri = url.parse().map_err(|_| refused())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(refused()),
        };
        let authority = uri.authority().ok_or_else(refused)?;
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let origin = Self {
            address: resolve((host, port), host)?,
            authority: authority.as_str().to_owned(),
            server_name: ServerName::try_from(host.to_owned()).map_err(|_| refused())?,
            tls,
        };
        Ok((origin, Target { path }))
    }

    /// Splits addresses that must share one origin.
    ///
    /// # Errors
    /// One is malformed, or they differ in more than their path.
    pub fn parse_all(urls: &[String]) -> Result<(Self, Vec<Target>), BenchError> {
        let parsed = urls.iter().map(|url| Self::parse(url)).collect::<Result<Vec<_>, _>>()?;
        let mut parsed = parsed.into_iter();
        let Some((origin, first)) = parsed.next() else {
            return Err(BenchError::Parse { text: String::new(), wanted: "an address" });
        };
        let mut targets = vec![first];
        for (other, target) in parsed {
            if other != origin {
                let (first, other) = (origin.authority, other.authority);
                return Err(BenchError::MixedOrigins { first, other });
            }
            targets.push(target);
        }
        Ok((origin, targets))
    }

    /// An origin on this machine.
    pub fn loopback(port: u16, tls: bool) -> Self {
        let host = IpAddr::from([127, 0, 0, 1]);
        Self {
            address: SocketAddr::new(host, port),
            authority: format!("127.0.0.1:{port}"),
            server_name: ServerName::IpAddress(host.into()),
            tls,
        }
    }
}

/// The first address of a host, IPv4 if there is one; `shown` names it in errors.
///
/// # Errors
/// There is none.
pub fn resolve(host: impl ToSocketAddrs, shown: &str) -> Result<SocketAddr, BenchError> {
    let found = host.to_socket_addrs().map_err(BenchError::io(format!("finding {shown}")))?;
    let all: Vec<SocketAddr> = found.collect();
    let first = all.iter().find(|address| address.is_ipv4()).or(all.first()).copied();
    first.ok_or_else(|| BenchError::NoAddress { authority: shown.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, &str, bool)>) {
        let parsed = Origin::parse(url).ok();
        let seen = parsed.as_ref().map(|(o, t)| (o.address.to_string(), t.path.as_str(), o.tls));
        assert_eq!(seen, expected.map(|(a, p, t)| (a.to_owned(), p, t)), "{url}");
    }

    #[test]
    fn addresses() {
        check("http://127.0.0.1:8080/a?b=c", Some(("127.0.0.1:8080", "/a?b=c", false)));
        check("https://127.0.0.1", Some(("127.0.0.1:443", "/", true)));
        check("http://[::1]:81/x", Some(("[::1]:81", "/x", false)));
        check("ftp://127.0.0.1/", None);
        check("/relative", None);
    }

    #[test]
    fn one_origin_per_run() {
        let urls = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert!(Origin::parse_all(&urls("http://127.0.0.1/a", "http://127.0.0.1/b")).is_ok());
        assert!(Origin::parse_all(&urls("http://127.0.0.1/a", "https://127.0.0.1/b")).is_err());
        assert!(Origin::parse_all(&[]).is_err());
    }
}
