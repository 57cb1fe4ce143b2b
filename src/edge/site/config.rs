//! `[[site]]`: a static site.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer};

use super::glob::{Glob, GlobError};
use super::redirect::{RedirectConfig, RedirectError, RedirectRule};

/// One `[[site]]` section.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SiteConfig {
    /// The hosts it answers, without port; `*` takes each host that no other site claims.
    pub hosts: Vec<String>,
    /// The folder that is served. Relative to the configuration's folder.
    pub root: PathBuf,
    /// Files that answer for their folder; the first that exists is taken.
    pub index: Vec<String>,
    /// Are folders without an index file listed?
    pub listing: bool,
    /// Are `.br`, `.zst` and `.gz` files served in place of the file beside them, where the
    /// client takes them? One that is older than its original is not.
    pub precompressed: bool,
    /// Pages for error statuses, as paths beneath the root: `{ 404 = "404.html" }`.
    #[serde(deserialize_with = "statuses")]
    pub error_pages: BTreeMap<u16, String>,
    /// The file that answers, with 200, each path that has no file and no dot in its last name:
    /// for an app that reads the path itself. Beneath the root.
    pub fallback: Option<String>,
    /// `Cache-Control` of files; empty: none.
    pub cache_control: String,
    /// Header fields by path; a later rule outranks an earlier one.
    pub headers: Vec<HeadersConfig>,
    /// Redirects; the first that takes a path counts, before any file.
    pub redirects: Vec<RedirectConfig>,
    /// Serves the page that is built in, in place of the root's files.
    #[serde(skip)]
    pub built_in: bool,
}

/// Header fields of the files whose path a pattern covers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadersConfig {
    /// The path of the file that is served, `*` for any characters (slashes too):
    /// `/assets/*`, `*.wasm`.
    pub path: String,
    /// Names and values. An empty value takes the field away.
    pub set: BTreeMap<String, String>,
}

impl Default for SiteConfig {
    fn default() -> Self {
        Self {
            hosts: vec!["*".to_owned()],
            root: PathBuf::from("www"),
            index: vec!["index.html".to_owned()],
            listing: false,
            precompressed: true,
            error_pages: BTreeMap::new(),
            fallback: None,
            cache_control: "no-cache".to_owned(),
            headers: Vec::new(),
            redirects: Vec::new(),
            built_in: false,
        }
    }
}

/// What is wrong with a site's configuration.
#[derive(Debug, thiserror::Error)]
pub enum SiteConfigError {
    /// The root cannot be listed.
    #[error("root {} cannot be read: {reason}; create it or correct it", root.display())]
    Root {
        /// As configured.
        root: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A site without hosts answers nobody.
    #[error("hosts is empty: the site answers nobody; \"*\" takes each host")]
    NoHosts,
    /// An index, a fallback or an error page that does not lie beneath the root.
    #[error("{key} {value:?} is not the path of a file beneath the root")]
    File {
        /// The key.
        key: &'static str,
        /// As configured.
        value: String,
    },
    /// Error pages are for errors.
    #[error("error_pages: {status} is not an error's status (400 to 599)")]
    ErrorStatus {
        /// As configured.
        status: u16,
    },
    /// A field's name that HTTP does not allow.
    #[error("headers: {name:?} is not the name of a header field")]
    HeaderName {
        /// As configured.
        name: String,
    },
    /// A field's value that HTTP does not allow.
    #[error("headers: the value of {name:?}, {value:?}, holds what a header field may not")]
    HeaderValue {
        /// The field's name.
        name: String,
        /// As configured.
        value: String,
    },
    /// A field that the server sets by itself.
    #[error("headers: {name:?} is set by the server; leave it out")]
    HeaderManaged {
        /// As configured.
        name: String,
    },
    /// A pattern that matches nothing.
    #[error("headers: {0}")]
    Glob(#[from] GlobError),
    /// A redirect that cannot be followed.
    #[error("redirects: {0}")]
    Redirect(#[from] RedirectError),
}

impl SiteConfig {
    /// Makes a relative root relative to `folder`, the configuration's.
    pub fn resolve(&mut self, folder: &Path) {
        self.root = folder.join(&self.root);
    }

    /// This site with the built-in page instead of files.
    pub fn built_in(self) -> Self {
        Self { built_in: true, ..self }
    }

    /// Checks everything that can be checked without serving.
    pub fn validate(&self) -> Result<(), SiteConfigError> {
        self.rules()?;
        if self.hosts.is_empty() {
            return Err(SiteConfigError::NoHosts);
        }
        if !self.built_in {
            std::fs::read_dir(&self.root)
                .map_err(|reason| SiteConfigError::Root { root: self.root.clone(), reason })?;
        }
        Ok(())
    }

    /// The rules, checked and ready.
    pub(super) fn rules(&self) -> Result<Rules, SiteConfigError> {
        let pages = self.error_pages.values().map(|page| ("error_pages", page));
        let fallback = self.fallback.iter().map(|page| ("fallback", page));
        let index = self.index.iter().map(|page| ("index", page));
        for (key, value) in pages.chain(fallback).chain(index) {
            if !is_beneath(value) {
                return Err(SiteConfigError::File { key, value: value.clone() });
            }
        }
        if let Some(status) = self.error_pages.keys().find(|status| !(400..600).contains(*status)) {
            return Err(SiteConfigError::ErrorStatus { status: *status });
        }
        let value = parse_value("cache-control", &self.cache_control)?;
        let cache_control = Some(value).filter(|value| !value.is_empty());
        let headers = self.headers.iter().map(HeaderRule::parse).collect::<Result<_, _>>()?;
        let redirects = self.redirects.iter().map(RedirectRule::parse).collect::<Result<_, _>>()?;
        Ok(Rules { cache_control, headers, redirects })
    }
}

/// A site's rules, ready to apply.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) cache_control: Option<HeaderValue>,
    pub(super) headers: Vec<HeaderRule>,
    pub(super) redirects: Vec<RedirectRule>,
}

/// Header fields for the paths of a pattern.
#[derive(Debug)]
pub(super) struct HeaderRule {
    pub(super) path: Glob,
    /// An empty value takes the field away.
    pub(super) set: Vec<(HeaderName, HeaderValue)>,
}

impl HeaderRule {
    fn parse(config: &HeadersConfig) -> Result<Self, SiteConfigError> {
        let path = Glob::parse(&config.path)?;
        let set = config.set.iter().map(|(name, value)| {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| SiteConfigError::HeaderName { name: name.clone() })?;
            if MANAGED.contains(&parsed.as_str()) {
                return Err(SiteConfigError::HeaderManaged { name: name.clone() });
            }
            Ok((parsed, parse_value(name, value)?))
        });
        Ok(Self { path, set: set.collect::<Result<_, _>>()? })
    }
}

/// Fields that frame the message, or that the server derives from the file.
const MANAGED: [&str; 14] = [
    "accept-ranges",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "etag",
    "keep-alive",
    "last-modified",
    "location",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

fn parse_value(name: &str, value: &str) -> Result<HeaderValue, SiteConfigError> {
    HeaderValue::from_str(value).map_err(|_| SiteConfigError::HeaderValue {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn is_beneath(path: &str) -> bool {
    use std::path::Component;
    let mut components = Path::new(path).components();
    !path.is_empty()
        && !path.ends_with('/')
        && !path.contains('\0')
        && components.all(|component| matches!(component, Component::Normal(_)))
}

/// TOML's keys are text.
fn statuses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u16, String>, D::Error> {
    let by_text = BTreeMap::<String, String>::deserialize(deserializer)?;
    let parse = |(status, page): (String, String)| match status.parse() {
        Ok(status) => Ok((status, page)),
        Err(_) => Err(serde::de::Error::custom(format!("{status:?} is not a status"))),
    };
    by_text.into_iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let config: SiteConfig = toml::from_str(text).unwrap();
        let shown = config.rules().err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(shown, None, "{text}"),
            Some(part) => {
                assert!(shown.as_ref().is_some_and(|it| it.contains(part)), "{text}: {shown:?}");
            }
        }
    }

    #[test]
    fn mistakes_are_named() {
        check("error_pages = { 404 = \"404.html\" }", None);
        check("error_pages = { 200 = \"a.html\" }", Some("200"));
        check("error_pages = { 404 = \"../a.html\" }", Some("../a.html"));
        check("index = [\"/etc/passwd\"]", Some("index"));
        check("fallback = \"app/index.html\"", None);
        check("cache_control = \"a\\nb\"", Some("cache-control"));
        check("[[headers]]\npath = \"/a/*\"\nset = { x-a = \"b\" }", None);
        check("[[headers]]\npath = \"a\"\nset = {}", Some("\"a\""));
        check("[[headers]]\npath = \"/\"\nset = { \"x a\" = \"b\" }", Some("x a"));
        check("[[headers]]\npath = \"/\"\nset = { Content-Length = \"1\" }", Some("by the server"));
        check("[[redirects]]\nfrom = \"/a\"\nto = \"/b\"\nstatus = 404", Some("404"));
        check("[[redirects]]\nfrom = \"/a\"\nto = \"/b\"", None);
    }

    #[test]
    fn unknown_keys_are_named() {
        let error = toml::from_str::<SiteConfig>("rooot = \"www\"").unwrap_err();
        assert!(error.to_string().contains("rooot"));
    }

    #[test]
    fn a_root_that_is_missing_is_named() {
        let config = SiteConfig { root: "/nonexistent/www".into(), ..SiteConfig::default() };
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("/nonexistent/www"), "{error}");
        config.built_in().validate().unwrap();
    }
}
