//! The media type of a site's file, by the extension of its name.

use std::path::Path;

use http::header::HeaderValue;

/// The type of a file; `application/octet-stream` where the extension says nothing. Text is
/// declared as UTF-8.
pub(in crate::edge) fn of_name(path: &Path) -> HeaderValue {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let known = ADDED.iter().find(|(added, _)| extension.eq_ignore_ascii_case(added));
    let essence = match known {
        Some((_, essence)) => essence,
        None => mime_guess::from_ext(extension).first_raw().unwrap_or("application/octet-stream"),
    };
    let value = match essence.starts_with("text/") {
        true => HeaderValue::try_from(format!("{essence}; charset=utf-8")),
        false => HeaderValue::try_from(essence),
    };
    value.unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Types that the table lacks or has in an older form (RFC 9239 for JavaScript).
const ADDED: [(&str, &str); 9] = [
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("webmanifest", "application/manifest+json"),
    ("jxl", "image/jxl"),
    ("opus", "audio/ogg"),
    ("m4v", "video/mp4"),
    ("br", "application/octet-stream"),
    ("zst", "application/zstd"),
    ("gz", "application/gzip"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        assert_eq!(of_name(Path::new(name)), expected, "{name}");
    }

    #[test]
    fn types() {
        check("index.html", "text/html; charset=utf-8");
        check("app.js", "text/javascript; charset=utf-8");
        check("a/b.MJS", "text/javascript; charset=utf-8");
        check("style.css", "text/css; charset=utf-8");
        check("PHOTO.JPG", "image/jpeg");
        check("film.mp4", "video/mp4");
        check("film.webm", "video/webm");
        check("app.wasm", "application/wasm");
        check("data.json", "application/json");
        check("logo.svg", "image/svg+xml");
        check("f.woff2", "font/woff2");
        check("site.webmanifest", "application/manifest+json");
        check("é.txt", "text/plain; charset=utf-8");
        check("backup.tar.gz", "application/gzip");
        check("README", "application/octet-stream");
    }
}
