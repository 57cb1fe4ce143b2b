//! What the types cannot say: sections that contradict one another or the machine.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use super::{Config, Lines, Problem};
use crate::edge::site::SiteConfigError;
use crate::telemetry;
use crate::tls::Mode;

/// RFC 1035, 2.3.4.
const HOST_NAME_BYTES_MAX: usize = 253;
const HOST_LABEL_BYTES_MAX: usize = 63;

impl Config {
    /// Every contradiction, and everything the machine does not have.
    pub fn check(&self, lines: &Lines) -> Vec<Problem> {
        let mut found = Findings { lines, problems: Vec::new() };
        self.check_domain(&mut found);
        self.check_listeners(&mut found);
        self.check_sites(&mut found);
        self.check_tls(&mut found);
        found.try_file("push.ca_file", self.push.ca_file.as_deref());
        if let Err(error) = self.verification.validate() {
            found.add(&format!("verification.{}", error.key), format!("[verification] {error}"));
        }
        if let Err(error) = self.store.database(&self.data_dir) {
            found.add("store.url", error.to_string());
        }
        if let Err(error) = self.xmpp.validate() {
            found.add(&format!("xmpp.{}", error.key()), format!("[xmpp] {error}"));
        }
        if let Err(error) = self.media.validate() {
            found.add("media", error.to_string());
        }
        if let Err(error) = telemetry::check_level(&self.log.level) {
            found.add("log.level", error.to_string());
        }
        self.check_access_log(&mut found);
        found.problems
    }

    fn check_domain(&self, found: &mut Findings) {
        if !is_host_name(&self.domain) {
            found.add("domain", format!("domain = {:?} is not a host name", self.domain));
        }
    }

    fn check_listeners(&self, found: &mut Findings) {
        let none = Vec::new();
        let xmpp = |list| if self.xmpp.enabled { list } else { &none };
        let listeners = [
            ("http.listen", &self.http.listen),
            ("http.listen_tls", &self.http.listen_tls),
            ("xmpp.listen", xmpp(&self.xmpp.listen)),
            ("xmpp.listen_tls", xmpp(&self.xmpp.listen_tls)),
            ("admin.listen", &self.admin.listen),
        ];
        let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
        for (key, addresses) in listeners {
            for address in addresses {
                if let Some((other, owner)) = taken.iter().find(|(other, _)| clash(other, address))
                {
                    let message = match other == address {
                        true => format!("{owner} and {key} both have {address}"),
                        false => format!("{key} has {address} and {owner} has {other}: one port"),
                    };
                    // The other may be a default, which stands in no line.
                    let written = if found.lines.of(key).is_some() { key } else { owner };
                    found.add(written, message);
                }
                taken.push((*address, key));
            }
        }
    }

    fn check_sites(&self, found: &mut Findings) {
        let mut owners: BTreeMap<String, usize> = BTreeMap::new();
        for (number, site) in self.sites.iter().enumerate() {
            for host in &site.hosts {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                if self.web.enabled && host == self.domain.to_ascii_lowercase() {
                    let message = format!(
                        "host {host:?} belongs to the web app; name another, or set [web] enabled = false"
                    );
                    found.add(&format!("site.{number}.hosts"), message);
                }
                if let Some(first) = owners.insert(host.clone(), number) {
                    let line = found.lines.of(&format!("site.{first}"));
                    let line = line.map(|line| format!(" in line {line}")).unwrap_or_default();
                    let message = format!("host {host:?} has a [[site]]{line} already");
                    found.add(&format!("site.{number}.hosts"), message);
                }
            }
            if let Err(error) = site.validate() {
                let key = match error {
                    SiteConfigError::Root { .. } => "root",
                    SiteConfigError::NoHosts => "hosts",
                    SiteConfigError::ErrorStatus { .. } => "error_pages",
                    SiteConfigError::File { key, .. } => key,
                    SiteConfigError::Redirect(_) => "redirects",
                    _ => "headers",
                };
                found.add(&format!("site.{number}.{key}"), format!("[[site]] {error}"));
            }
        }
    }

    fn check_tls(&self, found: &mut Findings) {
        if !self.speaks_tls() {
            return;
        }
        if let Err(error) = self.tls.validate(&self.domain) {
            found.add("tls", error.to_string());
        }
        let files: &[_] = match self.tls.mode {
            Mode::Files => &[("tls.cert", &self.tls.cert), ("tls.key", &self.tls.key)],
            Mode::Acme => &[("tls.ca_file", &self.tls.ca_file)],
            Mode::SelfSigned => &[],
        };
        let problems = found.problems.len();
        files.iter().for_each(|(key, path)| found.try_file(key, path.as_deref()));
        if found.problems.len() == problems
            && let Err(error) = self.tls.try_files()
        {
            found.add("tls.cert", format!("[tls] {error}"));
        }
    }

    fn check_access_log(&self, found: &mut Findings) {
        let log = &self.access_log;
        let folder = log.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if log.enabled && !log.is_stdout() && folder.is_some_and(|folder| !folder.is_dir()) {
            let path = log.path.display();
            let message = format!("[access_log] path {path}: its folder does not exist; create it");
            found.add("access_log.path", message);
        }
    }
}

struct Findings<'a> {
    lines: &'a Lines,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    /// Names a file that cannot be read; `path` is a section and a key.
    fn try_file(&mut self, path: &str, file: Option<&Path>) {
        let Some(file) = file else { return };
        if let Err(error) = std::fs::File::open(file) {
            let (section, key) = path.split_once('.').unwrap_or_default();
            let file = file.display();
            self.add(path, format!("[{section}] {key}: {file} cannot be read: {error}"));
        }
    }

    fn add(&mut self, path: &str, message: String) {
        self.problems.push(Problem { line: self.lines.of(path), message });
    }
}

/// Port 0 is chosen by the system, so it clashes with nothing.
fn clash(a: &SocketAddr, b: &SocketAddr) -> bool {
    let overlap = a.ip() == b.ip()
        || a.ip().is_unspecified() && (a.is_ipv6() || b.is_ipv4())
        || b.ip().is_unspecified() && (b.is_ipv6() || a.is_ipv4());
    a.port() == b.port() && a.port() != 0 && overlap
}

fn is_host_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=HOST_LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    name.len() <= HOST_NAME_BYTES_MAX && name.split('.').all(label)
}
