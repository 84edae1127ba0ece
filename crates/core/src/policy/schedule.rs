//! When a rule holds: weekly windows, spans of dates, freezes, in a time zone.
//!
//! Promises: total over every instant, also where the clocks change: an instant
//! is judged by the local date and time it bears, so an hour that happens twice
//! is in twice and one that never happens is never in. A window that crosses
//! midnight belongs to the weekday it begins on. Time zones are data compiled
//! in, the same in every process; no file is read.

use std::fmt;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};

/// A time zone by its IANA name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// A time of day in minutes, from `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

/// Days of the week; an empty set is every day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weekdays(u8);

/// A window that opens on some weekdays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayWindow {
    /// On which days it opens.
    pub weekdays: Weekdays,
    /// When it opens.
    pub from: TimeOfDay,
    /// When it closes; at or before `from`: on the next day.
    pub to: TimeOfDay,
}

/// From a local time up to, not including, another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CivilSpan {
    /// The first local time inside.
    pub from: DateTime,
    /// The first local time outside.
    pub to: DateTime,
}

/// When a rule holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Where the times are local.
    pub zone: Zone,
    /// In any of these; empty: all the week.
    pub windows: Vec<DayWindow>,
    /// In any of these; empty: on all dates.
    pub dates: Vec<CivilSpan>,
    /// In none of these.
    pub freezes: Vec<CivilSpan>,
}

const MINUTES_OF_DAY: u16 = 24 * 60;

/// The days in the order of their bits.
const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

impl Schedule {
    /// Whether the rule holds at the instant.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        let local = self.zone.0.to_datetime(at);
        (self.windows.is_empty() || self.windows.iter().any(|window| window.contains(local)))
            && (self.dates.is_empty() || self.dates.iter().any(|span| span.contains(local)))
            && !self.freezes.iter().any(|span| span.contains(local))
    }

    /// Whether the rule holds at any instant from `from` up to, not including, `to`.
    #[must_use]
    pub fn holds_within(&self, from: Timestamp, to: Timestamp) -> bool {
        self.holds(from) || self.beginnings(from, to).into_iter().any(|at| from < at && at < to && self.holds(at))
    }

    /// Every instant near the span at which the rule may begin to hold: what
    /// holds anywhere inside holds at one of them or at the beginning.
    fn beginnings(&self, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
        let zone = &self.zone.0;
        let mut found: Vec<Timestamp> = zone
            .following(from)
            .take_while(|change| change.timestamp() < to)
            .map(|change| change.timestamp())
            .collect();
        let mut add = |local: DateTime| {
            let ambiguous = zone.to_ambiguous_timestamp(local);
            found.extend([ambiguous.earlier(), ambiguous.later()].into_iter().flatten());
        };
        self.dates.iter().for_each(|span| add(span.from));
        self.freezes.iter().for_each(|span| add(span.to));
        let last = zone.to_datetime(to).date();
        let mut day = zone.to_datetime(from).date();
        while day <= last {
            self.windows.iter().filter_map(|window| window.from.on(day)).for_each(&mut add);
            // A window that came over midnight goes on where a weekday filter let it.
            add(day.to_datetime(jiff::civil::Time::midnight()));
            let Ok(next) = day.tomorrow() else { break };
            day = next;
        }
        found
    }
}

impl DayWindow {
    fn contains(&self, local: DateTime) -> bool {
        let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        let opens_today = self.weekdays.has(local.date().weekday());
        if self.from < self.to {
            return opens_today && (self.from.0..self.to.0).contains(&minute);
        }
        let opened_yesterday = self.weekdays.has(local.date().weekday().previous());
        (opens_today && minute >= self.from.0) || (opened_yesterday && minute < self.to.0)
    }
}

impl CivilSpan {
    fn contains(&self, local: DateTime) -> bool {
        self.from <= local && local < self.to
    }

    /// Reads two local times (`2026-12-24T18:00`) or dates; a date at the end is the whole of that day.
    #[must_use]
    pub fn parse(from: &str, to: &str) -> Option<Self> {
        let is_date = |text: &str| !text.contains(['T', ' ']);
        let midnight = |date: Date| date.to_datetime(jiff::civil::Time::midnight());
        let read = |text: &str| text.parse::<DateTime>().ok();
        let from = if is_date(from) { from.parse().ok().map(midnight) } else { read(from) }?;
        let to = if is_date(to) { midnight(to.parse::<Date>().ok()?).checked_add(1.day()).ok() } else { read(to) }?;
        (from < to).then_some(Self { from, to })
    }
}

impl Zone {
    /// The zone of that name, from the database compiled in.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().filter(|zone| zone.iana_name().is_some()).map(Self)
    }

    /// Its IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }
}

impl TimeOfDay {
    /// Reads `08:00`, up to `24:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str| -> Option<u16> {
            (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
        };
        let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
        Some(hour * 60 + minute).filter(|total| *total <= MINUTES_OF_DAY).map(Self)
    }

    fn on(self, day: Date) -> Option<DateTime> {
        let midnight = day.to_datetime(jiff::civil::Time::midnight());
        midnight.checked_add(SignedDuration::from_mins(i64::from(self.0))).ok()
    }
}

impl Weekdays {
    /// Reads `Mon`, `Tue`, …; `None` where one is no day.
    #[must_use]
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let bit = |name: &str| DAYS.iter().position(|(known, _)| *known == name).map(|at| 1 << at);
        names.into_iter().try_fold(0_u8, |set, name| bit(name).map(|bit: u8| set | bit)).map(Self)
    }

    fn has(self, day: Weekday) -> bool {
        self.0 == 0 || self.0 & (1 << day.to_monday_zero_offset().unsigned_abs()) != 0
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Weekdays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&str> =
            DAYS.iter().filter(|(_, day)| self.0 != 0 && self.has(*day)).map(|(name, _)| *name).collect();
        f.write_str(&if named.is_empty() { "daily".to_owned() } else { named.join(",") })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> =
            self.windows.iter().map(|w| format!("{} {}-{}", w.weekdays, w.from, w.to)).collect();
        parts.extend(self.dates.iter().map(|span| format!("{} to {}", span.from, span.to)));
        parts.extend(self.freezes.iter().map(|span| format!("not {} to {}", span.from, span.to)));
        write!(f, "{} ({})", parts.join("; "), self.zone.name())
    }
}

#[cfg(test)]
mod tests;
