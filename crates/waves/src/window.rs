//! Opening hours: `Fri 20:00-Mon 06:00 Europe/Paris`, `Mon..Fri 20:00-06:00 Europe/Paris`.
//!
//! Hours are those of the clock on the wall of the zone. An hour that a change of the clock skips
//! opens or closes when the clock has jumped over it; one that comes twice counts at its first.

use std::{fmt, str::FromStr};

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use thiserror::Error;

/// Weekdays as written, from Monday, with the French ones that are read as well.
const DAYS: [(Weekday, &str, &str); 7] = [
    (Weekday::Monday, "Mon", "lun"),
    (Weekday::Tuesday, "Tue", "mar"),
    (Weekday::Wednesday, "Wed", "mer"),
    (Weekday::Thursday, "Thu", "jeu"),
    (Weekday::Friday, "Fri", "ven"),
    (Weekday::Saturday, "Sat", "sam"),
    (Weekday::Sunday, "Sun", "dim"),
];

/// Why a window was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WindowError {
    /// Not days, hours and a zone.
    #[error("expected days, hours and a time zone, e.g. Fri 20:00-Mon 06:00 Europe/Paris")]
    Form,
    /// No such day.
    #[error("{0:?} is no day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")]
    Day(String),
    /// No such hour.
    #[error("{0:?} is no hour: write HH:MM, from 00:00 to 23:59")]
    Hour(String),
    /// No such zone.
    #[error("{0:?} is no time zone: write e.g. Europe/Paris or UTC")]
    Zone(String),
}

/// Weekly opening hours in a time zone.
#[derive(Clone, PartialEq)]
pub struct Window {
    /// The days on which it opens.
    days: Vec<Weekday>,
    from: Time,
    /// The day on which it closes; else the same day, or the next when `to` is not after `from`.
    to_day: Option<Weekday>,
    to: Time,
    zone: TimeZone,
    zone_name: String,
}

impl Window {
    /// Whether it is open.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.closes(now).is_some()
    }

    /// When it closes, if it is open.
    pub fn closes(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        // It lasts a week at most, and another zone's date may be a day away.
        let occurrences = (-8_i64..=1).filter_map(|days| self.occurrence(today, days));
        occurrences
            .filter(|(start, end)| *start <= now && now < *end)
            .map(|(_, end)| end)
            .max()
    }

    /// When it opens next, after `now`.
    pub fn opens(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned(self.zone.clone()).date();
        let occurrences = (-1_i64..=9).filter_map(|days| self.occurrence(today, days));
        occurrences
            .map(|(start, _)| start)
            .filter(|start| *start > now)
            .min()
    }

    /// From when to when, if it opens on that day.
    fn occurrence(&self, today: Date, days: i64) -> Option<(Timestamp, Timestamp)> {
        let date = today.checked_add(days.days()).ok()?;
        let day = date.weekday();
        if !self.days.contains(&day) {
            return None;
        }
        let overnight = self.to <= self.from;
        let lasts = match self.to_day {
            None => i64::from(overnight),
            Some(end) => match i64::from(day.until(end)) {
                0 if overnight => 7,
                days => days,
            },
        };
        let last = date.checked_add(lasts.days()).ok()?;
        let instant = |date: Date, time: Time| {
            let zoned = date.to_datetime(time).to_zoned(self.zone.clone());
            zoned.ok().map(|zoned| zoned.timestamp())
        };
        Some((instant(date, self.from)?, instant(last, self.to)?))
    }
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let (hours, zone_name) = text.trim().rsplit_once(' ').ok_or(WindowError::Form)?;
        let (opens, closes) = hours.rsplit_once('-').ok_or(WindowError::Form)?;
        let (days, from) = opens.trim().split_once(' ').ok_or(WindowError::Form)?;
        let (to_day, to) = match closes.trim().split_once(' ') {
            Some((at, to)) => (Some(day(at)?), to),
            None => (None, closes),
        };
        let zone = TimeZone::get(zone_name).map_err(|_| WindowError::Zone(zone_name.into()))?;
        Ok(Self {
            days: days_of(days)?,
            from: hour(from)?,
            to_day,
            to: hour(to)?,
            zone,
            zone_name: zone_name.to_owned(),
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = self.days.iter().map(|day| name(*day)).collect();
        let (from, to) = (self.from.strftime("%H:%M"), self.to.strftime("%H:%M"));
        write!(f, "{} {from}-", days.join(","))?;
        if let Some(day) = self.to_day {
            write!(f, "{} ", name(day))?;
        }
        write!(f, "{to} {}", self.zone_name)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window({self})")
    }
}

fn name(day: Weekday) -> &'static str {
    let found = DAYS.iter().find(|(of, ..)| *of == day);
    found.map_or("", |(_, english, _)| english)
}

fn day(text: &str) -> Result<Weekday, WindowError> {
    let same = |word: &str| word.eq_ignore_ascii_case(text.trim_end_matches('.'));
    DAYS.iter()
        .find(|(_, english, french)| same(english) || same(french))
        .map(|(day, ..)| *day)
        .ok_or_else(|| WindowError::Day(text.to_owned()))
}

/// `Fri`, `Mon,Wed`, `Mon..Fri`; in the order of the week.
fn days_of(text: &str) -> Result<Vec<Weekday>, WindowError> {
    let mut chosen = Vec::new();
    for part in text.split(',') {
        match part.split_once("..") {
            None => chosen.push(day(part)?),
            Some((first, last)) => {
                let (first, last) = (day(first)?, day(last)?);
                chosen.extend(
                    first
                        .cycle_forward()
                        .take(1 + usize::from(first.until(last).unsigned_abs())),
                );
            }
        }
    }
    let mut days: Vec<Weekday> = DAYS.iter().map(|(day, ..)| *day).collect();
    days.retain(|day| chosen.contains(day));
    Ok(days)
}

fn hour(text: &str) -> Result<Time, WindowError> {
    let bad = || WindowError::Hour(text.to_owned());
    let (hours, minutes) = text.trim().split_once(':').ok_or_else(bad)?;
    let number = |digits: &str| {
        let two = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        two.then(|| digits.parse::<i8>().ok())
            .flatten()
            .ok_or_else(bad)
    };
    Time::new(number(hours)?, number(minutes)?, 0, 0).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    #[rstest]
    #[case("Fri 20:00-Mon 06:00 Europe/Paris", "Fri 20:00-Mon 06:00 Europe/Paris")]
    #[case(
        "ven. 20:00-lun. 06:00 Europe/Paris",
        "Fri 20:00-Mon 06:00 Europe/Paris"
    )]
    #[case("Mon..Wed 20:00-06:00 UTC", "Mon,Tue,Wed 20:00-06:00 UTC")]
    #[case("Sat..Mon 08:00-12:30 UTC", "Mon,Sat,Sun 08:00-12:30 UTC")]
    #[case("sun,sat 08:00-12:00 UTC", "Sat,Sun 08:00-12:00 UTC")]
    fn is_read_and_shown(#[case] written: &str, #[case] shown: &str) {
        assert_eq!(window(written).to_string(), shown);
        assert_eq!(window(shown), window(written));
    }

    #[rstest]
    #[case("", WindowError::Form)]
    #[case("Fri 20:00 Europe/Paris", WindowError::Form)]
    #[case("20:00-06:00 Europe/Paris", WindowError::Form)]
    #[case("Vex 20:00-06:00 UTC", WindowError::Day("Vex".into()))]
    #[case("Fri 24:00-06:00 UTC", WindowError::Hour("24:00".into()))]
    #[case("Fri 2:00-06:00 UTC", WindowError::Hour("2:00".into()))]
    #[case("Fri 20:00-Mon 06:60 UTC", WindowError::Hour("06:60".into()))]
    #[case("Fri 20:00-Mon 06:00 Europe/Pariss", WindowError::Zone("Europe/Pariss".into()))]
    fn a_wrong_one_is_named(#[case] written: &str, #[case] error: WindowError) {
        assert_eq!(written.parse::<Window>().unwrap_err(), error);
    }

    #[test]
    fn a_weekend_opens_and_closes_by_the_clock_of_its_zone() {
        let weekend = window("Fri 20:00-Mon 06:00 Europe/Paris");
        // 2026-11-27 is a Friday; Paris is at UTC+1.
        assert!(!weekend.is_open(at("2026-11-27T18:59:59Z")));
        assert!(weekend.is_open(at("2026-11-27T19:00:00Z")));
        assert!(weekend.is_open(at("2026-11-29T12:00:00Z")));
        assert_eq!(
            weekend.closes(at("2026-11-28T00:00:00Z")),
            Some(at("2026-11-30T05:00:00Z"))
        );
        assert!(!weekend.is_open(at("2026-11-30T05:00:00Z")));
        assert_eq!(
            weekend.opens(at("2026-11-30T05:00:00Z")),
            Some(at("2026-12-04T19:00:00Z"))
        );
    }

    #[test]
    fn a_change_of_the_clock_moves_the_hours_with_the_wall() {
        // 2026-03-29: 02:00 becomes 03:00. 2026-10-25: 03:00 becomes 02:00.
        let weekend = window("Fri 20:00-Mon 06:00 Europe/Paris");
        assert_eq!(
            weekend.closes(at("2026-03-28T00:00:00Z")),
            Some(at("2026-03-30T04:00:00Z"))
        );
        assert_eq!(
            weekend.closes(at("2026-10-24T00:00:00Z")),
            Some(at("2026-10-26T05:00:00Z"))
        );
        // An hour that does not exist opens when the clock has jumped over it.
        let skipped = window("Sun 02:30-05:00 Europe/Paris");
        assert_eq!(
            skipped.opens(at("2026-03-28T12:00:00Z")),
            Some(at("2026-03-29T01:30:00Z"))
        );
        // One that comes twice closes at its first.
        let twice = window("Sun 01:00-02:30 Europe/Paris");
        assert_eq!(
            twice.closes(at("2026-10-24T23:30:00Z")),
            Some(at("2026-10-25T00:30:00Z"))
        );
        assert!(!twice.is_open(at("2026-10-25T01:15:00Z")));
    }

    #[test]
    fn a_whole_week_is_always_open() {
        let week = window("Mon 00:00-Mon 00:00 Europe/Paris");
        for hours in 0..(24 * 30) {
            let now = at("2026-10-10T00:00:00Z") + jiff::SignedDuration::from_hours(hours);
            assert!(week.is_open(now), "{now}");
        }
    }

    /// The definition, minute by minute, without any arithmetic of dates.
    fn open_by_walking(window: &Window, now: Timestamp) -> bool {
        let mut open = false;
        let start = now - jiff::SignedDuration::from_hours(24 * 9);
        let mut minute = start;
        let mut ends_on = None;
        while minute <= now {
            let local = minute.to_zoned(window.zone.clone());
            let (day, time) = (local.weekday(), local.time());
            if ends_on == Some(day) && time == window.to {
                (open, ends_on) = (false, None);
            }
            if window.days.contains(&day) && time == window.from {
                open = true;
                let overnight = window.to <= window.from;
                ends_on = Some(
                    window
                        .to_day
                        .unwrap_or(if overnight { day.next() } else { day }),
                );
            }
            minute += jiff::SignedDuration::from_mins(15);
        }
        open
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn agrees_with_a_walk_of_the_clock(
            first in 0_usize..7, last in proptest::option::of(1_usize..7),
            from in 0_i8..96, to in 0_i8..96, quarter in 0_i64..(4 * 24 * 60),
        ) {
            prop_assume!(from != to);
            let time = |quarter: i8| Time::new(quarter / 4, quarter % 4 * 15, 0, 0).unwrap();
            let window = Window {
                days: vec![DAYS[first].0],
                from: time(from),
                to_day: last.map(|days| DAYS[(first + days) % 7].0),
                to: time(to),
                // No change of the clock in these weeks.
                zone: TimeZone::get("Europe/Paris").unwrap(),
                zone_name: "Europe/Paris".into(),
            };
            let now = at("2026-06-01T00:00:00Z") + jiff::SignedDuration::from_mins(15 * quarter);
            prop_assert_eq!(window.is_open(now), open_by_walking(&window, now), "{} {}", window, now);
            if let Some(end) = window.closes(now) {
                prop_assert!(end > now && !window.is_open(end));
            } else {
                let opens = window.opens(now).unwrap();
                prop_assert!(opens > now && window.is_open(opens));
            }
        }
    }
}
