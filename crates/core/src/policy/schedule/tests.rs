//! Weeks, midnights and the days on which the clocks change.

use super::*;
use proptest::prelude::*;

fn window(weekdays: &[&str], from: &str, to: &str) -> DayWindow {
    DayWindow {
        weekdays: Weekdays::parse(weekdays.iter().copied()).unwrap(),
        from: TimeOfDay::parse(from).unwrap(),
        to: TimeOfDay::parse(to).unwrap(),
    }
}

fn schedule(zone: &str, windows: Vec<DayWindow>) -> Schedule {
    Schedule { zone: Zone::named(zone).unwrap(), windows, dates: vec![], freezes: vec![] }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn office_hours_follow_the_local_clock() {
    let office = schedule("Europe/Berlin", vec![window(&["Mon", "Tue"], "08:00", "20:00")]);
    for (instant, expected) in [
        ("2026-07-06T06:00:00Z", true),  // Monday 08:00, summer
        ("2026-07-06T05:59:59Z", false), // 07:59:59
        ("2026-07-06T18:00:00Z", false), // 20:00: not included
        ("2026-12-07T07:00:00Z", true),  // Monday 08:00, winter
        ("2026-12-07T06:30:00Z", false),
        ("2026-12-09T10:00:00Z", false), // Wednesday
    ] {
        assert_eq!(office.holds(at(instant)), expected, "{instant}");
    }
}

#[test]
fn a_night_belongs_to_the_day_it_begins_on() {
    let friday_night = schedule("UTC", vec![window(&["Fri"], "22:00", "06:00")]);
    assert!(friday_night.holds(at("2026-12-04T23:00:00Z")));
    assert!(friday_night.holds(at("2026-12-05T05:59:59Z")));
    assert!(!friday_night.holds(at("2026-12-05T06:00:00Z")));
    assert!(!friday_night.holds(at("2026-12-05T23:00:00Z")), "Saturday night is another");
    assert!(!friday_night.holds(at("2026-12-04T05:00:00Z")), "Thursday night is another");
}

#[test]
fn an_hour_that_happens_twice_is_in_twice_and_one_that_never_happens_never() {
    let night = schedule("Europe/Berlin", vec![window(&[], "02:00", "03:00")]);
    assert!(night.holds(at("2026-10-25T00:30:00Z")), "02:30 in summer time");
    assert!(night.holds(at("2026-10-25T01:30:00Z")), "02:30 again, in winter time");
    assert!(!night.holds(at("2026-10-25T02:00:00Z")));
    assert!(!night.holds(at("2026-03-29T00:59:59Z")), "01:59:59");
    assert!(!night.holds(at("2026-03-29T01:00:00Z")), "03:00: there is no 02:30");
}

#[test]
fn freezes_beat_windows_and_a_date_at_the_end_is_a_whole_day() {
    let span = CivilSpan::parse("2026-12-24", "2026-12-26").unwrap();
    let mut office = schedule("Europe/Berlin", vec![]);
    office.freezes = vec![span];
    assert!(office.holds(at("2026-12-23T22:59:59Z")));
    assert!(!office.holds(at("2026-12-23T23:00:00Z")));
    assert!(!office.holds(at("2026-12-26T22:59:59Z")));
    assert!(office.holds(at("2026-12-26T23:00:00Z")));
    office.dates = vec![CivilSpan::parse("2026-12-01T08:00", "2026-12-31").unwrap()];
    assert!(!office.holds(at("2026-12-01T06:59:00Z")));
    assert!(office.holds(at("2026-12-01T07:00:00Z")));
    assert_eq!(CivilSpan::parse("2026-12-24", "2026-12-20"), None);
}

#[test]
fn what_cannot_be_a_time_is_refused() {
    for bad in ["8:00", "08:60", "24:01", "25:00", "0800", "", "+8:00"] {
        assert_eq!(TimeOfDay::parse(bad), None, "{bad}");
    }
    assert!(TimeOfDay::parse("24:00").is_some());
    assert_eq!(Zone::named("Europe/Nowhere"), None);
    assert_eq!(Weekdays::parse(["Monday"]), None);
}

fn any_schedule() -> impl Strategy<Value = Schedule> {
    let day = prop::sample::subsequence(vec!["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], 0..=3);
    let one = (day, 0_u16..24 * 4, 0_u16..24 * 4).prop_map(|(days, from, to)| DayWindow {
        weekdays: Weekdays::parse(days).unwrap(),
        from: TimeOfDay(from * 15),
        to: TimeOfDay(to * 15),
    });
    let span = (0_i64..96 * 4, 1_i64..96).prop_map(|(from, length)| {
        let base: DateTime = "2026-10-23T00:00".parse().unwrap();
        let later = |quarters: i64| base.checked_add(SignedDuration::from_mins(15 * quarters)).unwrap();
        CivilSpan { from: later(from), to: later(from + length) }
    });
    let zone = prop::sample::select(vec!["Europe/Berlin", "America/New_York", "UTC", "Australia/Lord_Howe"]);
    (
        zone,
        prop::collection::vec(one, 0..3),
        prop::collection::vec(span.clone(), 0..2),
        prop::collection::vec(span, 0..2),
    )
        .prop_map(|(zone, windows, dates, freezes)| Schedule {
            zone: Zone::named(zone).unwrap(),
            windows,
            dates,
            freezes,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn holding_within_a_span_is_holding_at_some_minute_of_it(
        schedule in any_schedule(), start in 0_i64..5 * 24 * 60, minutes in 1_i64..2 * 24 * 60,
    ) {
        let from = at("2026-10-23T00:00:00Z").checked_add(SignedDuration::from_mins(start)).unwrap();
        let to = from.checked_add(SignedDuration::from_mins(minutes)).unwrap();
        let slowly = (0..minutes).any(|m| schedule.holds(from.checked_add(SignedDuration::from_mins(m)).unwrap()));
        prop_assert_eq!(schedule.holds_within(from, to), slowly);
    }
}
