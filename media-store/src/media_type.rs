//! The media type of an object: declared or guessed from a name, never read out of the bytes.

/// The type to keep for an upload: the declared one if it is well formed and says something, else
/// what the name's extension suggests, else `application/octet-stream`.
pub fn media_type(declared: Option<&str>, name: Option<&str>) -> String {
    let declared = declared.map(str::trim).filter(|it| is_well_formed(it) && *it != UNKNOWN);
    match (declared, name) {
        (Some(declared), _) => lower_essence(declared),
        (None, Some(name)) => mime_guess::from_path(name).first_raw().unwrap_or(UNKNOWN).into(),
        (None, None) => UNKNOWN.into(),
    }
}

/// Whether a browser may run what such an object holds, so that it must be served as an
/// attachment. All types but those known to be inert are active.
pub fn is_active(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let inert = match essence.split_once('/') {
        Some(("image", image)) => image != "svg" && image != "svg+xml",
        Some(("audio" | "video" | "font", _)) => true,
        _ => INERT.contains(&essence.as_str()),
    };
    !inert || essence.ends_with("+xml")
}

const UNKNOWN: &str = "application/octet-stream";
/// Types outside of image, audio, video and font that no browser runs.
const INERT: &[&str] = &["application/octet-stream", "text/plain", "application/json", "text/csv"];
const MEDIA_TYPE_BYTES_MAX: usize = 127;

/// `type/subtype` of RFC 9110 tokens and perhaps parameters of visible ASCII, so that it can stand
/// in a header.
fn is_well_formed(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    media_type.len() <= MEDIA_TYPE_BYTES_MAX
        && media_type.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && essence.split_once('/').is_some_and(|(major, minor)| is_token(major) && is_token(minor))
}

/// Type and subtype know no case, but parameters do (`codecs=avc1.42E01E`).
fn lower_essence(media_type: &str) -> String {
    let mut lowered = media_type.to_owned();
    let essence_len = media_type.find(';').unwrap_or(media_type.len());
    lowered[..essence_len].make_ascii_lowercase();
    lowered
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(declared: Option<&str>, name: Option<&str>, expected: &str, active: bool) {
        let found = media_type(declared, name);
        assert_eq!(found, expected, "{declared:?} {name:?}");
        assert_eq!(is_active(&found), active, "{found}");
    }

    #[test]
    fn declared_then_name_then_unknown() {
        check(Some("Image/PNG"), Some("a.html"), "image/png", false);
        check(Some("application/octet-stream"), Some("a.MP4"), "video/mp4", false);
        check(None, Some("film.webm"), "video/webm", false);
        check(None, None, "application/octet-stream", false);
    }

    #[test]
    fn what_a_browser_may_run_is_active() {
        check(Some("text/html; charset=utf-8"), None, "text/html; charset=utf-8", true);
        check(None, Some("a.svg"), "image/svg+xml", true);
        check(Some("application/xhtml+xml"), None, "application/xhtml+xml", true);
        check(Some("application/pdf"), None, "application/pdf", true);
        check(Some("video/x+xml"), None, "video/x+xml", true);
    }

    #[test]
    fn what_cannot_stand_in_a_header_is_not_kept() {
        check(Some("text/html\r\nX: y"), Some("a.png"), "image/png", false);
        check(Some("nonsense"), None, "application/octet-stream", false);
        check(Some("a b/c"), None, "application/octet-stream", false);
    }
}
