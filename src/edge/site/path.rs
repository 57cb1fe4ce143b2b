//! A request's path as names beneath a site's root: decoded once, no way out, no way back.
//!
//! RFC 3986 2.1 (percent-encoding), 5.2.4 (dot segments).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// A decoded path: names without `/`, NUL, `.` or `..`, none hidden. Only [`decode_path`] makes
/// one, so whoever holds one need not look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePath {
    /// The names joined by `/`, without one at either end; empty: the root.
    joined: Vec<u8>,
    folder: bool,
}

/// Why a path names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("the path does not begin with a slash")]
    Relative,
    /// A `%` without two hex digits behind it.
    #[error("a percent sign without two hex digits at byte {at}")]
    Escape {
        /// Offset of the `%`.
        at: usize,
    },
    /// A NUL, which no name can hold.
    #[error("a NUL in a name")]
    Nul,
    /// An encoded slash: no file's name holds one, and proxies read it as a separator.
    #[error("an encoded slash in a name")]
    Slash,
    /// `..` above the root.
    #[error("the path climbs above the root")]
    Climbs,
    /// A name that begins with a dot and is not `.well-known`.
    #[error("a hidden name")]
    Hidden,
}

impl PathError {
    /// The status that answers it.
    pub fn status(self) -> u16 {
        match self {
            Self::Relative | Self::Escape { .. } | Self::Nul => 400,
            Self::Slash | Self::Climbs | Self::Hidden => 404,
        }
    }
}

/// Decodes the path of a target, as sent, without query. Repeated slashes are one; dot segments
/// are taken out, encoded ones too; a backslash is a character like any other.
pub fn decode_path(raw: &str) -> Result<SitePath, PathError> {
    let rest = raw.strip_prefix('/').ok_or(PathError::Relative)?;
    let mut names: Vec<Vec<u8>> = Vec::new();
    let mut folder = true;
    let mut at = 1;
    for segment in rest.split('/') {
        let name = decode_segment(segment, at)?;
        at += segment.len() + 1;
        folder = matches!(name.as_slice(), b"" | b"." | b"..");
        match name.as_slice() {
            b"" | b"." => {}
            b".." => drop(names.pop().ok_or(PathError::Climbs)?),
            _ => names.push(name),
        }
    }
    if names.iter().any(|name| name[0] == b'.' && name != b".well-known") {
        return Err(PathError::Hidden);
    }
    Ok(SitePath { joined: names.join(&b'/'), folder })
}

fn decode_segment(segment: &str, offset: usize) -> Result<Vec<u8>, PathError> {
    let bytes = segment.as_bytes();
    let mut name = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let decoded = match byte {
            b'%' => {
                let digits = bytes.get(at + 1..at + 3);
                let escape = PathError::Escape { at: offset + at };
                at += 2;
                let [high, low] = digits.and_then(|digits| digits.try_into().ok()).ok_or(escape)?;
                match hex(high).zip(hex(low)).ok_or(escape)? {
                    (2, 15) => return Err(PathError::Slash),
                    (high, low) => high << 4 | low,
                }
            }
            byte => *byte,
        };
        if decoded == 0 {
            return Err(PathError::Nul);
        }
        name.push(decoded);
        at += 1;
    }
    Ok(name)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

impl SitePath {
    /// The path relative to the root; empty: the root itself.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.joined))
    }

    /// Did it end with a slash?
    pub fn is_folder(&self) -> bool {
        self.folder
    }

    /// Is it the root itself?
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// The decoded path as rules see it: one `/` first, and one last if it was sent so.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.joined.len() + 2);
        bytes.push(b'/');
        bytes.extend_from_slice(&self.joined);
        if self.folder && !self.is_root() {
            bytes.push(b'/');
        }
        bytes
    }

    /// The path with a slash behind it, encoded, as a `Location`: it begins with one slash only,
    /// so it names this server and no other.
    pub fn folder_location(&self) -> String {
        match self.is_root() {
            true => "/".to_owned(),
            false => format!("/{}/", encode(&self.joined)),
        }
    }
}

/// Encodes a decoded path or a part of one. `/` stays; a backslash does not, for browsers take
/// it for a slash.
pub fn encode(path: &[u8]) -> String {
    percent_encode(path, PATH).to_string()
}

/// What RFC 3986 3.3 does not allow in a path, apart from `/`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(raw: &str, expected: Result<&str, PathError>) {
        let shown = decode_path(raw).map(|path| String::from_utf8(path.to_bytes()).unwrap());
        assert_eq!(shown, expected.map(str::to_owned), "{raw}");
    }

    #[test]
    fn decodes_once() {
        check("/", Ok("/"));
        check("/a%20b.txt", Ok("/a b.txt"));
        check("/%E2%82%AC/x", Ok("/€/x"));
        check("/€", Ok("/€"));
        check("/a%2541", Ok("/a%41"));
        check("/100%", Err(PathError::Escape { at: 4 }));
        check("/a/%4", Err(PathError::Escape { at: 3 }));
        check("/%+1", Err(PathError::Escape { at: 1 }));
        check("/%00", Err(PathError::Nul));
        check("a", Err(PathError::Relative));
        check("*", Err(PathError::Relative));
    }

    #[test]
    fn dots_and_slashes() {
        check("//a///b//", Ok("/a/b/"));
        check("/a/./b/../c", Ok("/a/c"));
        check("/a/%2e%2E/c", Ok("/c"));
        check("/a/..", Ok("/"));
        check("/a/b/.", Ok("/a/b/"));
        check("/..", Err(PathError::Climbs));
        check("/a/../../a", Err(PathError::Climbs));
        check("/a%2fb", Err(PathError::Slash));
        check("/..%2F..%2Fetc", Err(PathError::Slash));
        check(r"/..\..\etc", Err(PathError::Hidden));
        check(r"/a\b", Ok(r"/a\b"));
    }

    #[test]
    fn hidden_names() {
        check("/.git/config", Err(PathError::Hidden));
        check("/a/%2ehtpasswd", Err(PathError::Hidden));
        check("/...", Err(PathError::Hidden));
        check("/.well-known/security.txt", Ok("/.well-known/security.txt"));
        check("/.well-known/.secret", Err(PathError::Hidden));
    }

    #[test]
    fn a_location_stays_on_this_server() {
        for (raw, expected) in [
            ("//evil.example", "/evil.example/"),
            ("///evil.example/%2e%2e/x", "/x/"),
            (r"/\evil.example", "/%5Cevil.example/"),
            ("/a%0d%0aset-cookie:x", "/a%0D%0Aset-cookie:x/"),
            ("/é b", "/%C3%A9%20b/"),
        ] {
            assert_eq!(decode_path(raw).unwrap().folder_location(), expected);
        }
    }

    proptest! {
        #[test]
        fn no_path_climbs(raw in "/([a-c./\\\\]|%2[eEfF]|%5[cC]|%00|%25|é){0,24}") {
            if let Ok(path) = decode_path(&raw) {
                let components: Vec<_> = path.as_path().components().collect();
                for component in components {
                    prop_assert!(matches!(component, std::path::Component::Normal(_)));
                }
                // Encoding and decoding again names the same thing.
                let again = decode_path(&path.folder_location()).unwrap();
                prop_assert_eq!(again.as_path(), path.as_path());
            }
        }
    }
}
