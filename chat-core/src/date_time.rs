//! XEP-0082 XMPP Date and Time Profiles.

use std::fmt::Write;

/// A moment as text, in UTC with milliseconds: `2026-11-22T15:30:00.123Z`.
pub fn format(unix_ms: u64) -> String {
    let (days, ms) = (unix_ms / DAY_MS, unix_ms % DAY_MS);
    let (year, month, day) = civil_from_days(days);
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::with_capacity(24);
    // Writing to a string does not fail.
    let _ =
        write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z");
    text
}

/// Milliseconds since 1970, or `None` where the text is not a DateTime, or lies before 1970.
pub fn parse(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut parts = date.splitn(3, '-');
    let year = digits(parts.next()?, 4)?;
    let month = digits(parts.next()?, 2).filter(|month| (1..=12).contains(month))?;
    let day = digits(parts.next()?, 2).filter(|day| (1..=31).contains(day))?;
    let zone_at = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at(zone_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = digits(parts.next()?, 2).filter(|second| *second <= 60)?;
    let local = days_from_civil(year, month, day)? * DAY_MS
        + (hour * 3600 + minute * 60 + second) * 1000
        + milliseconds(fraction)?;
    let offset_ms = zone_offset_ms(zone)?;
    u64::try_from(i64::try_from(local).ok()? - offset_ms).ok()
}

fn digits(text: &str, len: usize) -> Option<u64> {
    let is_number = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn milliseconds(fraction: &str) -> Option<u64> {
    if fraction.len() > 12 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let padded = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    Some(padded.fold(0, |ms, digit| ms * 10 + u64::from(digit - b'0')))
}

fn zone_offset_ms(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let minutes = digits(hours, 2)? * 60 + digits(minutes, 2)?;
    Some(sign * i64::try_from(minutes).ok()? * 60_000)
}

/// Days of the proleptic Gregorian calendar since 1970-01-01 to year, month and day, by eras of
/// 400 years that begin in March, so that the leap day is a year's last.
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + EPOCH_DAYS;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * ERA_DAYS + day_of_era).checked_sub(EPOCH_DAYS)
}

const DAY_MS: u64 = 86_400_000;
const ERA_DAYS: u64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::{format, parse};

    fn check(text: &str, unix_ms: Option<u64>) {
        assert_eq!(parse(text), unix_ms, "{text}");
    }

    #[test]
    fn moments_are_read() {
        check("1970-01-01T00:00:00Z", Some(0));
        check("2000-02-29T12:00:00Z", Some(951_825_600_000));
        check("2026-11-22T15:30:00.123Z", Some(1_795_361_400_123));
        check("2026-11-22T15:30:00.1+02:00", Some(1_795_354_200_100));
        check("2026-11-22T15:30:00-01:00", Some(1_795_365_000_000));
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "T",
            "2026-11-22",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "2026-11-22T15:30:00",
            "2026-11-22T25:30:00Z",
            "+026-11-22T15:30:00Z",
            "2026-11-22T15:30:00.1234567890123Z",
            "2026-11-22T15:30:00+1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn text_is_read_back() {
        for unix_ms in (0..4_000_000_000_000).step_by(86_399_999_123) {
            assert_eq!(parse(&format(unix_ms)), Some(unix_ms));
        }
    }
}
