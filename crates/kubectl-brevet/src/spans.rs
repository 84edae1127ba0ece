//! Instants and lengths of time as people read them.
//!
//! Promises: an instant is always shown with its zone (UTC), and how far away it is.
//!
//! Left out on purpose: reading durations, which is core's.

use brevet_api::Time;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// `2026-11-24 09:30:00 UTC`.
pub(crate) fn utc(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `2026-11-24 09:30:00 UTC (in 42m)`, or `(3h ago)`.
pub(crate) fn utc_and_distance(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", utc(at), distance(at, now))
}

/// `in 42m`, `3h ago`, `now`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second().saturating_sub(now.as_second());
    match seconds {
        0 => "now".to_owned(),
        1.. => format!("in {}", length(seconds.unsigned_abs())),
        _ => format!("{} ago", length(seconds.unsigned_abs())),
    }
}

/// `2d4h`, `3h5m`, `42m10s`, `9s`: the two largest units.
pub(crate) fn length(seconds: u64) -> String {
    const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        let count = rest / size;
        rest %= size;
        if count > 0 {
            parts.push(format!("{count}{unit}"));
        } else if !parts.is_empty() {
            break;
        }
        if parts.len() == 2 {
            break;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.concat() }
}

/// How long ago, as kubectl's AGE.
pub(crate) fn age(of: Option<&Time>, now: Timestamp) -> String {
    of.map_or_else(
        || "-".to_owned(),
        |at| length(now.as_second().saturating_sub(at.0.as_second()).max(0).unsigned_abs()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_instant_has_a_zone_and_a_distance() {
        let now = at("2026-11-24T09:00:00Z");
        assert_eq!(utc_and_distance(at("2026-11-24T10:42:00+01:00"), now), "2026-11-24 09:42:00 UTC (in 42m)");
        assert_eq!(distance(at("2026-11-24T06:00:00Z"), now), "3h ago");
        assert_eq!(distance(now, now), "now");
    }

    #[test]
    fn a_length_has_its_two_largest_units() {
        for (seconds, text) in
            [(0, "0s"), (9, "9s"), (60, "1m"), (2530, "42m10s"), (11_100, "3h5m"), (86_460, "1d"), (187_200, "2d4h")]
        {
            assert_eq!(length(seconds), text);
        }
    }
}
