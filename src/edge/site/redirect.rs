//! Redirects of the configuration (RFC 9110 15.4).

use serde::Deserialize;

use super::path::{SitePath, encode};
use crate::edge::resource::Redirect;

/// One redirect, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedirectConfig {
    /// The path that is redirected, not percent-encoded: exact (`/old`), or a prefix when it ends
    /// with `*` (`/old/*`).
    pub from: String,
    /// Where to: a path (`/new`) or a URL (`https://…`), percent-encoded. A `*` at its end is
    /// replaced by what the `*` of `from` stood for.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "default_status")]
    pub status: u16,
}

fn default_status() -> u16 {
    301
}

/// Why a redirect is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectError {
    /// `from` is no absolute path, or has a `*` before its end.
    #[error("redirect from {from:?}: begin with \"/\", and let \"*\" stand at the end only")]
    From {
        /// As configured.
        from: String,
    },
    /// `to` names neither a path nor a URL, or cannot stand in a header.
    #[error("redirect to {to:?}: give a path (\"/…\") or a URL (\"https://host/…\"), encoded")]
    To {
        /// As configured.
        to: String,
    },
    /// `to` ends with `*` and `from` does not.
    #[error("redirect to {to:?}: \"*\" has no counterpart in {from:?}")]
    StarWithoutSource {
        /// As configured.
        from: String,
        /// As configured.
        to: String,
    },
    /// The status is no redirect.
    #[error("redirect from {from:?}: status {status} is none of 301, 302, 303, 307, 308")]
    Status {
        /// As configured.
        from: String,
        /// As configured.
        status: u16,
    },
}

/// A redirect, ready to match.
#[derive(Clone, Debug)]
pub struct RedirectRule {
    from: Pattern,
    to: Target,
    /// Status of its answers.
    pub status: u16,
    keeps_query: bool,
}

#[derive(Clone, Debug)]
enum Pattern {
    Exact(String),
    Prefix(String),
}

#[derive(Clone, Debug)]
enum Target {
    Fixed(String),
    Before(String),
}

impl RedirectRule {
    /// Checks a redirect.
    pub fn parse(config: &RedirectConfig) -> Result<Self, RedirectError> {
        let RedirectConfig { from, to, status } = config;
        if !matches!(status, 301 | 302 | 303 | 307 | 308) {
            return Err(RedirectError::Status { from: from.clone(), status: *status });
        }
        let pattern = match from.strip_suffix('*') {
            Some(prefix) => Pattern::Prefix(prefix.to_owned()),
            None => Pattern::Exact(from.clone()),
        };
        let (Pattern::Exact(literal) | Pattern::Prefix(literal)) = &pattern;
        if !literal.starts_with('/') || literal.contains('*') {
            return Err(RedirectError::From { from: from.clone() });
        }
        let target = match to.strip_suffix('*') {
            Some(before) => Target::Before(before.to_owned()),
            None => Target::Fixed(to.clone()),
        };
        if !is_location(to, &target) {
            return Err(RedirectError::To { to: to.clone() });
        }
        if matches!((&pattern, &target), (Pattern::Exact(_), Target::Before(_))) {
            return Err(RedirectError::StarWithoutSource { from: from.clone(), to: to.clone() });
        }
        // A query behind a query or a fragment would be neither.
        let keeps_query = !to.contains(['?', '#']);
        Ok(Self { from: pattern, to: target, status: *status, keeps_query })
    }

    /// The redirect of a path, if the rule takes it.
    pub fn apply(&self, path: &SitePath) -> Option<Redirect> {
        let path = path.to_bytes();
        let rest = match &self.from {
            Pattern::Exact(from) => (path == from.as_bytes()).then_some([].as_slice())?,
            Pattern::Prefix(prefix) => path.strip_prefix(prefix.as_bytes())?,
        };
        let location = match &self.to {
            Target::Fixed(to) => to.clone(),
            Target::Before(before) => {
                // `/*` must not turn a rest that begins with a slash into another host's name.
                let rest = encode(rest);
                match before.ends_with('/') {
                    true => format!("{before}{}", rest.trim_start_matches('/')),
                    false => format!("{before}{rest}"),
                }
            }
        };
        Some(Redirect { location, keeps_query: self.keeps_query })
    }
}

fn is_location(to: &str, target: &Target) -> bool {
    let visible = to.bytes().all(|byte| byte.is_ascii_graphic());
    let authority = to.strip_prefix("https://").or_else(|| to.strip_prefix("http://"));
    let names_a_place = match authority {
        // Without a slash between host and `*`, the rest would become a part of the host's name.
        Some(rest) => match target {
            Target::Before(_) => rest.find('/').is_some_and(|slash| slash > 0),
            Target::Fixed(_) => !rest.is_empty() && !rest.starts_with('/'),
        },
        None => to.starts_with('/') && !to.starts_with("//") && !to.starts_with("/\\"),
    };
    visible && names_a_place
}

#[cfg(test)]
mod tests {
    use super::super::path::decode_path;
    use super::*;

    fn rule(from: &str, to: &str) -> Result<RedirectRule, RedirectError> {
        RedirectRule::parse(&RedirectConfig { from: from.into(), to: to.into(), status: 301 })
    }

    fn check(from: &str, to: &str, path: &str, expected: Option<&str>) {
        let found = rule(from, to).unwrap().apply(&decode_path(path).unwrap());
        let shown = found.map(|redirect| redirect.location);
        assert_eq!(shown.as_deref(), expected, "{from} {to} {path}");
    }

    #[test]
    fn exact_and_prefix() {
        check("/old", "/new", "/old", Some("/new"));
        check("/old", "/new", "/old/", None);
        check("/old", "/new", "/%6fld", Some("/new"));
        check("/old/*", "/new/*", "/old/a b/c", Some("/new/a%20b/c"));
        check("/old/*", "/new/*", "/old/", Some("/new/"));
        check("/old/*", "/new", "/old/x", Some("/new"));
        check("/a/*", "https://b.example/*", "/a/x/", Some("https://b.example/x/"));
    }

    #[test]
    fn a_rest_names_no_other_host() {
        check("/a*", "/*", "/a//evil.example", Some("/evil.example"));
        check("/a/*", "/*", r"/a/\evil.example", Some("/%5Cevil.example"));
        check("/a/*", "/*", "/a///evil.example", Some("/evil.example"));
    }

    #[test]
    fn what_is_refused() {
        for (from, to) in [
            ("old", "/new"),
            ("/a*b", "/new"),
            ("/old", "//evil.example/"),
            ("/old", "new"),
            ("/old", "/a b"),
            ("/old", "/é"),
            ("/old", "/new/*"),
            ("/old*", "https://host*"),
            ("/old*", "*"),
        ] {
            assert!(rule(from, to).is_err(), "{from} {to}");
        }
        let config = RedirectConfig { from: "/a".into(), to: "/b".into(), status: 200 };
        assert!(matches!(RedirectRule::parse(&config), Err(RedirectError::Status { .. })));
    }

    #[test]
    fn a_query_is_kept_unless_the_target_has_one() {
        let path = decode_path("/a").unwrap();
        assert!(rule("/a", "/b").unwrap().apply(&path).unwrap().keeps_query);
        assert!(!rule("/a", "/b?c").unwrap().apply(&path).unwrap().keeps_query);
    }
}
