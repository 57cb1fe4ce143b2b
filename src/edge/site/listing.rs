//! The page that lists a folder: plain HTML, no script, light and dark.

use std::ffi::OsStr;
use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Dir, FileType};

use super::SitePath;
use super::path::encode;
use super::root::Entered;
use crate::edge::conditional::format_date;

/// Nothing is loaded and nothing runs; the style stands in the page.
pub(super) const CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// A folder. Without one browsers ask for `/favicon.ico` and report that it is absent.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' \
    viewBox='0 0 16 16'%3E%3Cpath fill='%230f7a83' d='M1 3h5l2 2h7v9H1z'/%3E%3C/svg%3E";
/// Lines of one page; of a larger folder it says how many there are.
const ENTRIES_MAX: usize = 5_000;

/// One line.
struct Entry {
    name: Vec<u8>,
    folder: bool,
    len: u64,
    modified_s: u64,
}

/// The page for a folder.
pub(super) fn page(root: &Entered, path: &SitePath) -> io::Result<String> {
    let mut names = names(root, path)?;
    let count = names.len();
    names.sort_by_cached_key(|name| sort_key(name));
    names.truncate(ENTRIES_MAX);
    let mut entries: Vec<Entry> =
        names.into_iter().filter_map(|name| entry(root, path, name)).collect();
    entries.sort_by_key(|entry| !entry.folder);
    let mut html = String::with_capacity(2048 + 160 * entries.len());
    head(path, &mut html);
    for entry in &entries {
        row(entry, &mut html);
    }
    foot(entries.len(), count, &mut html);
    Ok(html)
}

fn names(root: &Entered, path: &SitePath) -> io::Result<Vec<Vec<u8>>> {
    let folder = root.open_folder(path.as_path())?;
    let mut names = Vec::new();
    for entry in Dir::new(folder)? {
        let name = entry?.file_name().to_bytes().to_vec();
        // Hidden names, `.` and `..`.
        if !name.starts_with(b".") {
            names.push(name);
        }
    }
    Ok(names)
}

/// The facts of a name; none where the site would not serve it.
fn entry(root: &Entered, path: &SitePath, name: Vec<u8>) -> Option<Entry> {
    let stat = root.look(&path.as_path().join(OsStr::from_bytes(&name))).ok()?;
    let folder = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => true,
        FileType::RegularFile => false,
        _ => return None,
    };
    let len = u64::try_from(stat.st_size).unwrap_or(0);
    Some(Entry { name, folder, len, modified_s: u64::try_from(stat.st_mtime).unwrap_or(0) })
}

/// Without regard to case, and numbers by their value: `Track 2` comes before `track 10`.
fn sort_key(name: &[u8]) -> (Vec<(String, u64)>, Vec<u8>) {
    let text = String::from_utf8_lossy(name).to_lowercase();
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let words = rest.find(|letter: char| letter.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(words);
        let digits = tail.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = tail;
    }
    (parts, name.to_vec())
}

fn head(path: &SitePath, html: &mut String) {
    let shown = escape(&path.to_bytes());
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{shown}</title>\n<link rel=\"icon\" href=\"{ICON}\">\n\
         <style>{STYLE}</style>\n<main>\n<h1>"
    );
    crumbs(path, html);
    html.push_str(
        "</h1>\n<table>\n<thead><tr><th scope=\"col\">Name<th scope=\"col\">Size\
         <th scope=\"col\">Changed <abbr title=\"Coordinated Universal Time\">UTC</abbr></thead>\n\
         <tbody>\n",
    );
    if !path.is_root() {
        html.push_str("<tr class=\"up\"><td><a href=\"../\">Up</a><td><td>\n");
    }
}

/// The path's names, each a link.
fn crumbs(path: &SitePath, html: &mut String) {
    html.push_str("<a href=\"/\" aria-label=\"Root\">/</a>");
    let path = path.as_path().as_os_str().as_bytes();
    let mut end = 0;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        end += name.len() + usize::from(end > 0);
        let link = escape(encode(&path[..end]).as_bytes());
        let _ = write!(html, "<wbr><a href=\"/{link}/\">{}/</a>", escape(name));
    }
}

fn row(entry: &Entry, html: &mut String) {
    let (slash, class) = if entry.folder { ("/", " class=\"folder\"") } else { ("", "") };
    // `./` keeps a name with a colon from being read as a scheme.
    let link = escape(encode(&entry.name).as_bytes());
    let name = escape(&entry.name);
    let size = if entry.folder { String::new() } else { size(entry.len) };
    let _ = writeln!(
        html,
        "<tr{class}><td><a href=\"./{link}{slash}\">{name}{slash}</a><td>{size}<td>{}",
        date(entry.modified_s)
    );
}

fn foot(shown: usize, count: usize, html: &mut String) {
    html.push_str("</tbody>\n</table>\n");
    let _ = match (shown, count) {
        (0, _) => writeln!(html, "<p>This folder is empty.</p>"),
        (_, count) if count > ENTRIES_MAX => {
            writeln!(html, "<p>The first {ENTRIES_MAX} of {count} entries.</p>")
        }
        _ => Ok(()),
    };
    html.push_str("</main>\n</html>\n");
}

/// For text and for values in double quotes; what is no UTF-8 shows as a replacement.
fn escape(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Direction marks would let a name pose as another; line breaks would break lines.
            letter if letter.is_control() || is_direction_mark(letter) => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn is_direction_mark(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Three digits at most: `999 B`, `1.5 KiB`, `20 MiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 {
        value /= 1024.0;
        unit += 1;
    }
    match value < 9.95 {
        true => format!("{value:.1} {}", UNITS[unit]),
        false => format!("{value:.0} {}", UNITS[unit]),
    }
}

/// `06 Nov 1994, 08:49`, cut out of an HTTP date.
fn date(seconds: u64) -> String {
    let date = format_date(seconds);
    match (date.get(5..16), date.get(17..22)) {
        (Some(day), Some(time)) => format!("{day}, {time}"),
        _ => date,
    }
}

const STYLE: &str = "\
:root{--ink:#1c2730;--dim:#5c6b77;--paper:#fbfaf7;--line:#e4e1d9;--link:#0b6a75;--wash:#f1efe8}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eaec;--dim:#95a3ad;--paper:#12181c;\
--line:#263038;--link:#6fcbd4;--wash:#1a2227}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif;-webkit-text-size-adjust:100%}\
main{max-width:56rem;margin:0 auto;padding:clamp(1.25rem,5vw,3.5rem) clamp(1rem,4vw,2rem)}\
h1{font-size:1.35rem;font-weight:600;margin:0 0 1.25rem;overflow-wrap:anywhere}\
a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}\
a:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:2px}\
table{width:100%;border-collapse:collapse}\
th{font-size:.8rem;font-weight:500;color:var(--dim);text-align:left;padding:.4rem .5rem}\
td{padding:0 .5rem;border-top:1px solid var(--line);vertical-align:baseline}\
td:first-child{width:99%;overflow-wrap:anywhere}\
td a{display:block;padding:.5rem 0}\
td:nth-child(n+2),th:nth-child(n+2){white-space:nowrap;text-align:right;color:var(--dim);\
font-variant-numeric:tabular-nums;font-size:.875rem}\
tbody tr:hover{background:var(--wash)}\
.folder a{font-weight:600}.up a{color:var(--dim)}\
abbr{text-decoration:none}p{color:var(--dim);padding:0 .5rem}\
@media(max-width:34rem){td:nth-child(3),th:nth-child(3){display:none}}";

#[cfg(test)]
mod tests {
    use super::super::decode_path;
    use super::super::root::Root;
    use super::*;

    #[test]
    fn a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| std::fs::write(folder.path().join(name), "12345").unwrap();
        for name in ["track 10", "Track 2", "<b>&\"", ".hidden", "a:b#?%.txt"] {
            write(name);
        }
        std::fs::create_dir(folder.path().join("zoo")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("out")).unwrap();
        let root = Root::new(folder.path()).enter().unwrap();
        let html = page(&root, &decode_path("/").unwrap()).unwrap();
        let links: Vec<&str> = html
            .split("<td><a href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        let expected =
            ["./zoo/", "./%3Cb%3E&amp;%22", "./a:b%23%3F%25.txt", "./Track%202", "./track%2010"];
        assert_eq!(links, expected);
        assert!(html.contains(">&lt;b&gt;&amp;&quot;</a><td>5 B<td>"), "{html}");
    }

    #[test]
    fn sizes_and_dates() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (20 << 20, "20 MiB"),
            (1000 << 20, "1.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
        assert_eq!(date(784_111_777), "06 Nov 1994, 08:49");
    }

    #[test]
    fn a_name_cannot_pose_as_another() {
        assert_eq!(escape("a\u{202e}gpj.exe\n".as_bytes()), "a\u{fffd}gpj.exe\u{fffd}");
        assert_eq!(escape(b"\xff'"), "\u{fffd}&#39;");
    }
}
