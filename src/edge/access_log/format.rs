//! Lines of the access log, and the escaping that keeps one request on one line.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Entry;

/// A longer field is cut here; the whole line stays small whatever the limits on heads are.
const FIELD_BYTES_MAX: usize = 4096;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The text of the second that was formatted last.
#[derive(Default)]
pub(super) struct Stamp {
    second: Option<u64>,
    text: String,
}

impl Stamp {
    fn of(&mut self, second: u64, write: impl FnOnce(Date) -> String) -> &str {
        if self.second != Some(second) {
            self.second = Some(second);
            self.text = write(Date::of(second));
        }
        &self.text
    }
}

/// `host - - [time] "request" status bytes "referer" "user agent"`.
pub(super) fn combined(entry: &Entry, stamp: &mut Stamp, line: &mut Vec<u8>) {
    let time = stamp.of(since_epoch(entry.time).0, |date| {
        let Date { year, month, day, hour, minute, second } = date;
        let month = MONTHS[month as usize - 1];
        format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
    });
    put(line, format_args!("{} - - [{time}] \"", entry.peer));
    quoted(entry.method, line);
    line.push(b' ');
    quoted(entry.target, line);
    put(line, format_args!(" {}\" {} ", entry.version, entry.status));
    match entry.sent_bytes {
        0 => line.push(b'-'),
        bytes => put(line, format_args!("{bytes}")),
    }
    for field in [entry.referer, entry.user_agent] {
        line.extend_from_slice(b" \"");
        quoted(field.unwrap_or(b"-"), line);
        line.push(b'"');
    }
    line.push(b'\n');
}

/// One JSON object (RFC 8259).
pub(super) fn json(entry: &Entry, stamp: &mut Stamp, line: &mut Vec<u8>) {
    let (second, millis) = since_epoch(entry.time);
    let time = stamp.of(second, |date| {
        let Date { year, month, day, hour, minute, second } = date;
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
    });
    put(line, format_args!("{{\"time\":\"{time}.{millis:03}Z\",\"peer\":\"{}\"", entry.peer));
    member("method", Some(entry.method), line);
    member("host", entry.host, line);
    member("target", Some(entry.target), line);
    put(
        line,
        format_args!(
            ",\"version\":\"{}\",\"tls\":{},\"status\":{},\"sent_bytes\":{},\"duration_us\":{}",
            entry.version,
            entry.tls,
            entry.status,
            entry.sent_bytes,
            entry.duration.as_micros()
        ),
    );
    member("referer", entry.referer, line);
    member("user_agent", entry.user_agent, line);
    put(line, format_args!(",\"request_id\":\"{:016x}\"}}\n", entry.request_id));
}

fn member(name: &str, value: Option<&[u8]>, line: &mut Vec<u8>) {
    let Some(value) = value else { return };
    put(line, format_args!(",\"{name}\":\""));
    let value = &value[..value.len().min(FIELD_BYTES_MAX)];
    for chunk in value.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' | '\\' => {
                    line.push(b'\\');
                    line.push(character as u8);
                }
                // U+2028 and U+2029 end a line for some readers.
                _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                    put(line, format_args!("\\u{:04x}", character as u32));
                }
                _ => line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        if !chunk.invalid().is_empty() {
            line.extend_from_slice(b"\\ufffd");
        }
    }
    line.push(b'"');
}

/// `value` with everything but printable ASCII as `\xHH`, as Apache's httpd writes it.
fn quoted(value: &[u8], line: &mut Vec<u8>) {
    for &byte in &value[..value.len().min(FIELD_BYTES_MAX)] {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
            0x20..=0x7e => line.push(byte),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                line.extend_from_slice(&[b'\\', b'x', high, low]);
            }
        }
    }
}

struct Date {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Date {
    /// The Gregorian date of a second since 1970, in UTC. Counts in eras of 400 years that begin
    /// with March, so that a leap day is the last day of its year.
    fn of(second: u64) -> Self {
        const DAYS_FROM_MARCH_0000_TO_1970: u64 = 719_468;
        const DAYS_PER_ERA: u64 = 146_097;
        let days = second / 86_400 + DAYS_FROM_MARCH_0000_TO_1970;
        let (era, day_of_era) = (days / DAYS_PER_ERA, days % DAYS_PER_ERA);
        let leap_days = day_of_era / 1460 + day_of_era / 146_096;
        let year_of_era = (day_of_era + day_of_era / 36_524 - leap_days) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            hour: second / 3600 % 24,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}

/// Seconds and milliseconds since 1970; a clock before that counts as 1970.
fn since_epoch(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_millis())
}

fn put(line: &mut Vec<u8>, arguments: std::fmt::Arguments) {
    // Writing to a Vec cannot fail.
    let _ = line.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn entry<'a>(target: &'a [u8], user_agent: &'a [u8]) -> Entry<'a> {
        Entry {
            peer: "2001:db8::1".parse().unwrap(),
            time: UNIX_EPOCH + Duration::from_millis(1_709_210_096_007),
            method: b"GET",
            target,
            version: "HTTP/1.1",
            status: 206,
            sent_bytes: 0,
            duration: Duration::from_micros(1500),
            referer: None,
            user_agent: Some(user_agent),
            host: Some(b"media.example"),
            tls: true,
            request_id: 0xab,
        }
    }

    fn line(write: fn(&Entry, &mut Stamp, &mut Vec<u8>), entry: &Entry) -> String {
        let mut line = Vec::new();
        write(entry, &mut Stamp::default(), &mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn a_combined_line() {
        assert_eq!(
            line(combined, &entry(b"/a?b", b"curl/8")),
            "2001:db8::1 - - [29/Feb/2024:12:34:56 +0000] \"GET /a?b HTTP/1.1\" 206 - \"-\" \
             \"curl/8\"\n"
        );
    }

    #[test]
    fn a_json_line() {
        assert_eq!(
            line(json, &entry(b"/a?b", b"curl/8")),
            "{\"time\":\"2024-02-29T12:34:56.007Z\",\"peer\":\"2001:db8::1\",\"method\":\"GET\",\
             \"host\":\"media.example\",\"target\":\"/a?b\",\"version\":\"HTTP/1.1\",\"tls\":true,\
             \"status\":206,\"sent_bytes\":0,\"duration_us\":1500,\"user_agent\":\"curl/8\",\
             \"request_id\":\"00000000000000ab\"}\n"
        );
    }

    #[test]
    fn a_line_cannot_be_forged() {
        let hostile = b"x\" 200\r\n1.2.3.4 \\ \x1b[31m \xc2\x85 \xff \xe2\x80\xa8 \x7f";
        let common = line(combined, &entry(hostile, hostile));
        assert!(common.contains(r#"x\" 200\x0d\x0a1.2.3.4 \\ \x1b[31m \xc2\x85 \xff"#), "{common}");
        let object = line(json, &entry(hostile, hostile));
        for text in [&common, &object] {
            let body = text.strip_suffix('\n').unwrap();
            assert!(!body.contains(|c: char| c.is_control() || c == '\u{2028}'), "{text}");
        }
        let parsed: serde_json::Value = serde_json::from_str(&object).unwrap();
        assert_eq!(
            parsed["target"],
            "x\" 200\r\n1.2.3.4 \\ \u{1b}[31m \u{85} \u{fffd} \u{2028} \u{7f}"
        );
    }

    #[test]
    fn a_long_field_is_cut() {
        let long = vec![b'a'; 100_000];
        assert!(line(combined, &entry(&long, &long)).len() < 3 * FIELD_BYTES_MAX);
    }

    #[test]
    fn dates_agree_with_another_implementation() {
        for second in (0..8_000_000_000u64).step_by(12_345_678) {
            let Date { year, month, day, hour, minute, second: rest } = Date::of(second);
            let month = MONTHS[month as usize - 1];
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
            let ours = format!("{day:02} {month} {year:04} {hour:02}:{minute:02}:{rest:02} GMT");
            assert!(text.ends_with(&ours), "{text} and {ours}");
        }
    }
}
