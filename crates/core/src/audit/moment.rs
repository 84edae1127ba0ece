//! An instant as it stands in the log: UTC, in whole microseconds.
//!
//! Promises: one spelling, always 27 characters, so that lines sort by time as
//! text; every instant from 1970 to 9999 reads back as itself. Instants outside
//! are moved to the nearest end.

use std::fmt;

use jiff::Timestamp;

use super::wire::{Input, Out, Unreadable, Wire};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

/// 9999-12-31T23:59:59.999999Z.
const MICROS_MAX: u64 = 253_402_300_799_999_999;
const DAY_MICROS: u64 = 86_400_000_000;
/// As many as in `2026-11-24T08:00:00.000000Z`.
const LENGTH: usize = 27;

impl Moment {
    /// In microseconds since 1970.
    #[must_use]
    pub fn micros(self) -> u64 {
        self.0
    }

    /// Reads what is printed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text: &[u8; LENGTH] = text.as_bytes().try_into().ok()?;
        let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
        if marks.iter().any(|(at, mark)| text.get(*at) != Some(mark)) {
            return None;
        }
        let (year, month, day) = (number(text, 0, 4)?, number(text, 5, 2)?, number(text, 8, 2)?);
        let (hour, minute, second) = (number(text, 11, 2)?, number(text, 14, 2)?, number(text, 17, 2)?);
        let days = days_of(year, month, day)?;
        // A date that there is not counts as another one.
        if hour > 23 || minute > 59 || second > 59 || civil(days) != (year, month, day) {
            return None;
        }
        let seconds = (hour * 60 + minute) * 60 + second;
        Some(Self(days * DAY_MICROS + seconds * 1_000_000 + number(text, 20, 6)?))
    }

    /// The whole spelling.
    fn text(self) -> [u8; LENGTH] {
        let (year, month, day) = civil(self.0 / DAY_MICROS);
        let of_day = self.0 % DAY_MICROS;
        let seconds = of_day / 1_000_000;
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, seconds / 3600),
            (14, 2, seconds / 60 % 60),
            (17, 2, seconds % 60),
            (20, 6, of_day % 1_000_000),
        ];
        for (at, digits, value) in parts {
            let mut left = value;
            for place in text.iter_mut().skip(at).take(digits).rev() {
                *place = b'0' + u8::try_from(left % 10).unwrap_or_default();
                left /= 10;
            }
        }
        text
    }
}

/// So many digits from there.
fn number(text: &[u8], at: usize, digits: usize) -> Option<u64> {
    text.get(at..at + digits)?
        .iter()
        .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

/// Year, month and day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil(day: u64) -> (u64, u64, u64) {
    // Years from 0000-03-01, so that a leap day is the last of its year.
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

/// The day counted from 1970-01-01; `None` before it, and for dates that cannot be worked with.
fn days_of(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = year.checked_sub(u64::from(month <= 2))?;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day.checked_sub(1)?;
    let (era, of_era) = (year / 400, year % 400);
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

impl From<Timestamp> for Moment {
    fn from(at: Timestamp) -> Self {
        Self(u64::try_from(at.as_microsecond()).unwrap_or_default().min(MICROS_MAX))
    }
}

impl From<Moment> for Timestamp {
    fn from(moment: Moment) -> Self {
        // The last instant Timestamp knows lies a day before the end of 9999.
        i64::try_from(moment.0).ok().and_then(|micros| Self::from_microsecond(micros).ok()).unwrap_or(Self::MAX)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl Wire for Moment {
    fn write(&self, out: &mut Out) {
        out.plain(str::from_utf8(&self.text()).unwrap_or_default());
    }

    fn read(input: &mut Input<'_>) -> Result<Self, Unreadable> {
        let text = input.string()?;
        match Self::parse(&text) {
            Some(moment) => Ok(moment),
            None => input.fails("the instant before is not spelled like `2026-11-24T08:00:00.000000Z`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn has_one_spelling() {
        for text in [
            "1970-01-01T00:00:00.000000Z",
            "2000-02-29T23:59:59.999999Z",
            "2026-11-24T08:00:00.000001Z",
            "9999-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(Moment::parse(text).map(|moment| moment.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "2026-11-24T08:00:00Z",
            "2026-11-24t08:00:00.000000Z",
            "2026-02-29T08:00:00.000000Z",
            "2026-00-10T08:00:00.000000Z",
            "2026-13-10T08:00:00.000000Z",
            "2026-01-00T08:00:00.000000Z",
            "2026-01-10T24:00:00.000000Z",
            "2026-01-10T08:00:60.000000Z",
            "2026-01-10T08:00:00.+00000Z",
            "2026-01-10T08:00:00.000000+",
            "1969-12-31T23:59:59.999999Z",
            "0000-01-01T00:00:00.000000Z",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
        assert_eq!(Moment::from(Timestamp::MIN), Moment(0));
    }

    proptest! {
        #[test]
        fn agrees_with_the_calendar(micros in 0..=MICROS_MAX - 2 * DAY_MICROS) {
            let moment = Moment(micros);
            prop_assert_eq!(Moment::parse(&moment.to_string()), Some(moment));
            let known = Timestamp::from_microsecond(micros.try_into().unwrap()).unwrap();
            prop_assert_eq!(moment.to_string(), known.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string());
            prop_assert_eq!(Moment::from(known), moment);
            prop_assert_eq!(Timestamp::from(moment), known);
        }
    }
}
