//! When a certificate is valid, and on whose word: fields of X.509 (RFC 5280, 4.1.2).

use std::time::{Duration, SystemTime};

/// The time in which a certificate is valid, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last second.
    pub not_after: SystemTime,
}

impl Validity {
    /// Reads the field out of a DER certificate; nothing if the bytes are not one.
    pub fn of_certificate(der: &[u8]) -> Option<Self> {
        let (_issuer, mut body) = issuer(der)?;
        let mut validity = Der(body.read(SEQUENCE)?);
        Some(Self { not_before: validity.read_time()?, not_after: validity.read_time()? })
    }

    /// The whole life.
    pub fn length(&self) -> Duration {
        self.not_after.duration_since(self.not_before).unwrap_or_default()
    }

    /// What is left at `now`.
    pub fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }
}

/// Whether a DER certificate's issuer is its subject (RFC 5280, 3.2).
pub(super) fn is_self_issued(der: &[u8]) -> bool {
    let names = || {
        let (issuer, mut body) = issuer(der)?;
        body.read(SEQUENCE)?; // validity
        Some((issuer, body.read(SEQUENCE)?))
    };
    names().is_some_and(|(issuer, subject)| issuer == subject)
}

/// The issuer's name, and what stands behind it.
fn issuer(der: &[u8]) -> Option<(&[u8], Der<'_>)> {
    let certificate = Der(der).read(SEQUENCE)?;
    let mut body = Der(Der(certificate).read(SEQUENCE)?);
    if body.peek() == Some(EXPLICIT_VERSION) {
        body.read(EXPLICIT_VERSION)?;
    }
    body.read(INTEGER)?; // serial number
    body.read(SEQUENCE)?; // signature algorithm
    Some((body.read(SEQUENCE)?, body))
}

struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, if it has `tag`.
    fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk::<2>()?;
        if found != tag {
            return None;
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    fn read_time(&mut self) -> Option<SystemTime> {
        match self.peek()? {
            UTC_TIME => {
                let (year, rest) = digits(self.read(UTC_TIME)?, 2)?;
                parse_time(if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            _ => {
                let (year, rest) = digits(self.read(GENERALIZED_TIME)?, 4)?;
                parse_time(year, rest)
            }
        }
    }
}

/// `MMDDHHMMSSZ`, the only form that certificates may use.
fn parse_time(year: u64, text: &[u8]) -> Option<SystemTime> {
    let (month, text) = digits(text, 2)?;
    let (day, text) = digits(text, 2)?;
    let (hour, text) = digits(text, 2)?;
    let (minute, text) = digits(text, 2)?;
    let (second, text) = digits(text, 2)?;
    if text != b"Z" || !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn digits(text: &[u8], count: usize) -> Option<(u64, &[u8])> {
    let (head, rest) = text.split_at_checked(count)?;
    let value = std::str::from_utf8(head).ok()?.parse().ok()?;
    head.iter().all(u8::is_ascii_digit).then_some((value, rest))
}

fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let leap_days_before = |year: u64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let years = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    let leap_day = u64::from(is_leap && month > 2);
    years + DAYS_BEFORE_MONTH[month as usize - 1] + leap_day + day - 1
}

const DAYS_BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(year: i32, month: u8, day: u8, seconds_since_1970: u64) {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(1999, 12, 31);
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let validity = Validity::of_certificate(certificate.der()).unwrap();
        let seconds = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(validity.not_before, seconds(946_598_400));
        assert_eq!(validity.not_after, seconds(seconds_since_1970));
        for cut in 0..certificate.der().len() {
            assert_eq!(Validity::of_certificate(&certificate.der()[..cut]), None);
        }
    }

    #[test]
    fn who_vouches() {
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let own = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        assert!(is_self_issued(own.der()));
        params.distinguished_name.push(rcgen::DnType::CommonName, "An authority");
        let authority = rcgen::Issuer::new(params, rcgen::KeyPair::generate().unwrap());
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let issued = params.signed_by(&rcgen::KeyPair::generate().unwrap(), &authority).unwrap();
        assert!(!is_self_issued(issued.der()));
        assert!(!is_self_issued(b""));
    }

    #[test]
    fn leap_day() {
        check(2028, 2, 29, 1_835_395_200);
    }

    #[test]
    fn day_after_leap_day() {
        check(2028, 3, 1, 1_835_481_600);
    }

    #[test]
    fn generalized_time_from_2050() {
        check(2100, 3, 1, 4_107_542_400);
    }
}
