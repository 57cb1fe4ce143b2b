//! ITU-T E.164: phone numbers, read and judged by libphonenumber's tables (crate `phonenumber`).
//!
//! Two questions are kept apart. A number is *possible* if its country code exists and its length
//! fits: that much each number here is. It is *assigned* if it also lies in a range that is handed
//! out. The fictional `555-01xx` numbers, those of closed networks, and ranges younger than the
//! tables are possible only. An operator who adds an account knows what he does, so any possible
//! number is his to add; a stranger who registers himself makes this server pay for a message, so
//! his must be assigned, unless the operator says otherwise, and of a kind that people carry.

use std::fmt;
use std::str::FromStr;

use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{Type, country};

/// A possible number in E.164, such as `+15550100123`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneNumber(u64);

/// The country whose national way of writing numbers is understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region(country::Id);

/// Whether a message would reach a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// It lies in a range that is handed out to people.
    Assigned,
    /// Its length fits, but its range is not handed out as far as the tables know.
    Unassigned,
    /// It costs its caller more than a usual number, or belongs to a machine.
    Service,
}

/// Why a text is no number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NumberError {
    /// It has signs that no number has, or no country code though no region is known.
    #[error("{text:?} is not a phone number; write it with its country code, as +15550100123")]
    Form {
        /// The text, cut to its first bytes.
        text: String,
    },
    /// No number of that country is so long or short, or there is no such country.
    #[error("{text:?} cannot be a phone number: its country code or its length is wrong")]
    Impossible {
        /// The text, cut to its first bytes.
        text: String,
    },
}

impl PhoneNumber {
    /// Reads what a person wrote: with the country code, or as is usual in `region`.
    ///
    /// # Errors
    /// [`NumberError`].
    pub fn parse(text: &str, region: Option<Region>) -> Result<Self, NumberError> {
        let text = text.trim();
        // The crate also reads extensions, letters for digits and RFC 3966: none is an address.
        if text.len() > TEXT_BYTES_MAX || !text.bytes().all(|byte| SIGNS.contains(&byte)) {
            return Err(NumberError::Form { text: cut(text) });
        }
        let region = region.map(|Region(id)| id);
        let parsed =
            phonenumber::parse(region, text).map_err(|_| NumberError::Form { text: cut(text) })?;
        let digits = format!("{}{}", parsed.code().value(), parsed.national());
        let impossible = || NumberError::Impossible { text: cut(text) };
        let number = Self::of_digits(&digits).ok_or_else(impossible)?;
        // A number must be its own way of writing, or one person could hold two.
        let again = phonenumber::parse(None, number.to_string()).map_err(|_| impossible())?;
        match is_possible(&parsed) && again.national() == parsed.national() {
            true => Ok(number),
            false => Err(impossible()),
        }
    }

    /// Whether a message would reach a person.
    pub fn reach(self) -> Reach {
        let Ok(parsed) = phonenumber::parse(None, self.to_string()) else {
            return Reach::Unassigned;
        };
        if !parsed.is_valid() {
            return Reach::Unassigned;
        }
        match parsed.number_type(&DATABASE) {
            Type::PremiumRate | Type::SharedCost | Type::Pager | Type::Uan | Type::Voicemail => {
                Reach::Service
            }
            _ => Reach::Assigned,
        }
    }

    /// The digits behind the plus sign.
    pub fn digits(self) -> u64 {
        self.0
    }

    fn of_digits(digits: &str) -> Option<Self> {
        let fits = (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len());
        let is_number =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        if fits && is_number { digits.parse().ok().map(Self) } else { None }
    }
}

/// What [`fmt::Display`] writes; whether the number is possible was asked when it was first read.
impl FromStr for PhoneNumber {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let number = text.strip_prefix('+').and_then(Self::of_digits);
        number.ok_or_else(|| NumberError::Form { text: cut(text) })
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}", self.0)
    }
}

/// For logs, which are no address books: the last digits are hidden.
impl fmt::Debug for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{}…", self.0 / 10_u64.pow(HIDDEN_DIGITS))
    }
}

impl FromStr for Region {
    type Err = ();

    /// Reads two capital letters of ISO 3166-1.
    fn from_str(text: &str) -> Result<Self, ()> {
        let id: country::Id = text.parse().map_err(drop)?;
        DATABASE.by_id(id.as_ref()).map(|_| Self(id)).ok_or(())
    }
}

/// Whether any kind of number in a country of this code has this length. Lengths without an area
/// code do not count: such a number is no address.
fn is_possible(number: &phonenumber::PhoneNumber) -> bool {
    let len = number.national().to_string().len() as u16;
    let regions = DATABASE.by_code(&number.code().value()).unwrap_or_default();
    // The crate leaves the general description's lengths empty.
    let kinds = regions
        .iter()
        .flat_map(|region| KINDS.iter().filter_map(|kind| region.descriptors().get(*kind)));
    kinds.flat_map(Descriptor::possible_length).any(|possible| *possible == len)
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_BYTES_MAX).collect()
}

/// Kinds that people carry, and what is dialled like them.
const KINDS: [Type; 7] = [
    Type::FixedLine,
    Type::Mobile,
    Type::PersonalNumber,
    Type::Voip,
    Type::TollFree,
    Type::SharedCost,
    Type::PremiumRate,
];
const SIGNS: &[u8] = b"+0123456789 -./()";
const TEXT_BYTES_MAX: usize = 40;
/// The shortest in use: +290 and +683 with four digits.
const DIGITS_MIN: usize = 7;
/// E.164, 6.1.
const DIGITS_MAX: usize = 15;
const HIDDEN_DIGITS: u32 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(region: &str, text: &str, expected: &str) {
        let read = PhoneNumber::parse(text, region.parse().ok());
        let shown = read.map_or_else(|_| "none".to_owned(), |number| number.to_string());
        assert_eq!(shown, expected, "{text} in {region:?}");
    }

    #[test]
    fn with_the_country_code() {
        check("", "+1 (555) 010-0123", "+15550100123");
        check("", "+44 20 7946 0018", "+442079460018");
        check("", "+39 02 3661 8300", "+390236618300");
        check("DE", "+15550100123", "+15550100123");
        check("", "+290 22158", "+29022158");
    }

    #[test]
    fn as_written_at_home() {
        check("US", "(555) 010-0123", "+15550100123");
        check("DE", "030/123456", "+4930123456");
        check("US", "0044 20 7946 0018", "none");
        check("DE", "0044 20 7946 0018", "+442079460018");
        check("", "030 123456", "none");
    }

    #[test]
    fn what_is_no_address() {
        check("US", "555-0100", "none");
        check("", "+1555010012", "none");
        check("", "+155501001234", "none");
        check("", "+999 123456", "none");
        check("", "+1 555 010 0123 ext 4", "none");
        check("", "tel:+15550100123", "none");
        check("", "+1-555-WHIMBREL", "none");
        check("", "", "none");
        check("", "+", "none");
        check("", "+1 555 010 0123 000000000000000000000000000", "none");
    }

    #[test]
    fn whom_a_message_reaches() {
        let check = |text: &str, expected| {
            let number = PhoneNumber::parse(text, None).unwrap();
            assert_eq!(number.reach(), expected, "{text}");
        };
        check("+15550100123", Reach::Unassigned);
        check("+16502530000", Reach::Assigned);
        check("+447912345678", Reach::Assigned);
        check("+19002345678", Reach::Service);
    }

    #[test]
    fn logs_are_no_address_books() {
        let number: PhoneNumber = "+15550100123".parse().unwrap();
        assert_eq!(format!("{number:?}"), "+1555010…");
    }

    #[test]
    fn stored_form() {
        let check = |text: &str, holds| assert_eq!(text.parse::<PhoneNumber>().is_ok(), holds);
        check("+15550100123", true);
        check("15550100123", false);
        check("+05550100123", false);
        check("+1555 0100123", false);
        check("+1234567890123456", false);
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[+0-9 ./()-]{0,24}", region in "[A-Z]{2}") {
            if let Ok(number) = PhoneNumber::parse(&text, region.parse().ok()) {
                prop_assert_eq!(PhoneNumber::parse(&number.to_string(), None), Ok(number));
                prop_assert_eq!(number.to_string().parse(), Ok(number));
                number.reach();
            }
            let _ = PhoneNumber::parse(&text, None);
        }
    }
}
