//! Which part of Whimbrel answers a request: its own paths first, then the site of the host.

use std::collections::HashMap;

use super::request::Request;

/// The part that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `/media/<digest>`: an object of the store.
    Media,
    /// `/upload/…`: tus, and slots of XEP-0363.
    Upload,
    /// `/api/…`: another part's.
    Api,
    /// `/.well-known/acme-challenge/<token>`.
    AcmeChallenge,
    /// `/healthz`.
    Health,
    /// `/xmpp-websocket` (RFC 7395).
    XmppWebSocket,
    /// `/.well-known/host-meta` (XEP-0156).
    HostMeta,
    /// `/.well-known/host-meta.json` (XEP-0156).
    HostMetaJson,
    /// A path that is Whimbrel's own, of a part that this build does not have: 404.
    Reserved,
    /// The web app, at the domain itself.
    App,
    /// The site at this index of the configuration.
    Site(u16),
    /// No site takes this host: 404.
    Nowhere,
}

/// Hosts and the sites they belong to.
#[derive(Clone, Debug, Default)]
pub struct Router {
    /// The host of the web app, in lower case.
    app: Option<String>,
    by_host: HashMap<String, u16>,
    any_host: Option<u16>,
}

impl Router {
    /// Takes the hosts of each site, in the order of the configuration; `*` takes what no other
    /// site claims, and the app's host goes before. The configuration's check has refused doubles.
    pub fn new<'a>(sites: impl IntoIterator<Item = &'a [String]>, app_host: Option<&str>) -> Self {
        let app = app_host.map(str::to_ascii_lowercase);
        let mut router = Self { app, ..Self::default() };
        for (index, hosts) in (0_u16..).zip(sites) {
            for host in hosts {
                match host.as_str() {
                    "*" => router.any_host = Some(index),
                    _ => drop(router.by_host.insert(host.to_ascii_lowercase(), index)),
                }
            }
        }
        router
    }

    /// The part that answers a request.
    pub fn route(&self, request: &Request<'_>) -> Route {
        let host = request.host.unwrap_or_default();
        own_path(request.path).unwrap_or_else(|| match &self.app {
            Some(app) if app.eq_ignore_ascii_case(host) => Route::App,
            _ => self.site(host),
        })
    }

    fn site(&self, host: &str) -> Route {
        let named = || {
            // A lower-case copy only where it is needed.
            self.by_host.get(host).or_else(|| self.by_host.get(&host.to_ascii_lowercase()))
        };
        let site = if self.by_host.is_empty() { None } else { named() };
        site.copied().or(self.any_host).map_or(Route::Nowhere, Route::Site)
    }
}

fn own_path(path: &str) -> Option<Route> {
    match path.as_bytes().get(1)? {
        b'm' if path.starts_with("/media/") => Some(Route::Media),
        b'u' if path.starts_with("/upload/") || path == "/upload" => Some(Route::Upload),
        b'h' if path == "/healthz" => Some(Route::Health),
        b'.' if path.starts_with("/.well-known/acme-challenge/") => Some(Route::AcmeChallenge),
        b'.' if path == "/.well-known/host-meta" => Some(Route::HostMeta),
        b'.' if path == "/.well-known/host-meta.json" => Some(Route::HostMetaJson),
        b'a' if path.starts_with("/api/") => Some(Route::Api),
        b'w' if path.starts_with("/whip/") || path.starts_with("/whep/") => Some(Route::Reserved),
        b'x' if path == "/xmpp-websocket" => Some(Route::XmppWebSocket),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Version;
    use super::*;

    fn check(host: &str, path: &str, expected: Route) {
        let sites = [vec!["a.example".to_owned()], vec!["*".to_owned()]];
        let router = Router::new(sites.iter().map(Vec::as_slice), None);
        let mut request = Request::new("GET", path, Version::Http11).unwrap();
        request.field("host", host.as_bytes()).unwrap();
        assert_eq!(router.route(&request), expected, "{host} {path}");
    }

    #[test]
    fn own_paths_come_before_sites() {
        check("a.example", "/media/x", Route::Media);
        check("a.example", "/upload", Route::Upload);
        check("a.example", "/healthz", Route::Health);
        check("a.example", "/api/v1/codes", Route::Api);
        check("a.example", "/api", Route::Site(0));
        check("a.example", "/xmpp-websocket", Route::XmppWebSocket);
        check("a.example", "/.well-known/host-meta", Route::HostMeta);
        check("a.example", "/.well-known/host-metadata", Route::Site(0));
        check("a.example", "/mediamtx", Route::Site(0));
        check("a.example", "/healthz/", Route::Site(0));
    }

    #[test]
    fn the_app_has_its_host_alone() {
        let sites = [vec!["*".to_owned()]];
        let router = Router::new(sites.iter().map(Vec::as_slice), Some("Example.org"));
        let route = |host: &str, path: &str| {
            let mut request = Request::new("GET", path, Version::Http11).unwrap();
            request.field("host", host.as_bytes()).unwrap();
            router.route(&request)
        };
        assert_eq!(route("example.ORG:8080", "/chats"), Route::App);
        assert_eq!(route("example.org", "/media/x"), Route::Media);
        assert_eq!(route("www.example.org", "/"), Route::Site(0));
    }

    #[test]
    fn hosts() {
        check("A.Example:8080", "/", Route::Site(0));
        check("b.example", "/", Route::Site(1));
    }
}
