//! Patterns of paths in the configuration: `*` stands for any characters, slashes too.

/// A pattern, ready to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// What stands between the stars: never empty, one more than there are stars.
    literals: Vec<String>,
}

/// A pattern that cannot match any path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("pattern {pattern:?} begins neither with \"/\" nor with \"*\", so it matches no path")]
pub struct GlobError {
    /// As configured.
    pub pattern: String,
}

impl Glob {
    /// Takes a pattern.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        if !pattern.starts_with(['/', '*']) {
            return Err(GlobError { pattern: pattern.to_owned() });
        }
        Ok(Self { literals: pattern.split('*').map(str::to_owned).collect() })
    }

    /// Does the pattern cover the whole of `path` (decoded)?
    pub fn matches(&self, path: &[u8]) -> bool {
        let [first, rest @ ..] = self.literals.as_slice() else { return false };
        let Some([middle @ .., last]) = Some(rest).filter(|rest| !rest.is_empty()) else {
            return path == first.as_bytes();
        };
        let Some(mut path) = path.strip_prefix(first.as_bytes()) else { return false };
        // The leftmost place for each literal leaves most to those behind it.
        for literal in middle {
            match find(path, literal.as_bytes()) {
                Some(end) => path = &path[end..],
                None => return false,
            }
        }
        path.ends_with(last.as_bytes())
    }
}

/// Where the first `literal` in `path` ends.
fn find(path: &[u8], literal: &[u8]) -> Option<usize> {
    match literal.len() {
        0 => Some(0),
        len => path.windows(len).position(|window| window == literal).map(|start| start + len),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, path: &str, expected: bool) {
        let glob = Glob::parse(pattern).unwrap();
        assert_eq!(glob.matches(path.as_bytes()), expected, "{pattern} {path}");
    }

    #[test]
    fn stars() {
        check("/a", "/a", true);
        check("/a", "/ab", false);
        check("*", "/", true);
        check("/assets/*", "/assets/a/b.js", true);
        check("/assets/*", "/assets/", true);
        check("/assets/*", "/assets", false);
        check("*.js", "/a/b.js", true);
        check("*.js", "/a/b.jsx", false);
        check("/*/img/*.png", "/x/y/img/z.png", true);
        check("/*/img/*.png", "/img/z.png", false);
        check("/a*a", "/a", false);
        check("/**", "/a", true);
        check("*a*ab", "/aab", true);
    }

    #[test]
    fn patterns_that_match_nothing() {
        assert!(Glob::parse("assets/*").is_err());
        assert!(Glob::parse("").is_err());
    }
}
