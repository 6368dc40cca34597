//! When calls may be placed: windows of the week, by the clock of a place.
//!
//! A window is written as `mon-fri 09:00-17:30`, `mon,wed 10:00-12:00`, or `09:00-17:00` for every day. Its end does not belong
//! to it; `24:00` is the end of the day. Where a clock jumps, the window goes by what the clock shows.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::engine::business::TimeZone;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0x7f;
/// A week, and the day on which it began: today's windows may be over.
const LOOK_AHEAD_DAYS: i64 = 8;

/// A part of some days of the week.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// One bit for each day, Monday's the lowest.
    days: u8,
    /// Minutes since midnight.
    from: u16,
    /// Minutes since midnight, after `from`; at most 1440.
    to: u16,
}

/// Why a text is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WindowError {
    /// It is of another form.
    #[error("give days and times, as in mon-fri 09:00-17:30")]
    Form,
    /// It names a day that there is not.
    #[error("days are mon, tue, wed, thu, fri, sat, sun, as in mon-fri or sat,sun")]
    Day,
    /// It names a time that there is not.
    #[error("times are 00:00 to 24:00, as in 09:00-17:30")]
    Time,
    /// It ends before it begins.
    #[error("ends before it begins; give two windows for a night")]
    Order,
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let text = text.trim().to_ascii_lowercase();
        let (days, times) = match text.rsplit_once(' ') {
            Some((days, times)) => (parse_days(days)?, times),
            None => (EVERY_DAY, text.as_str()),
        };
        let (from, to) = times.split_once('-').ok_or(WindowError::Form)?;
        let (from, to) = (parse_time(from)?, parse_time(to)?);
        if from >= to {
            return Err(WindowError::Order);
        }
        Ok(Self { days, from, to })
    }
}

fn parse_days(text: &str) -> Result<u8, WindowError> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim()).ok_or(WindowError::Day);
    text.split(',').try_fold(0, |days, part| match part.split_once('-') {
        None => Ok(days | 1 << day(part)?),
        Some((first, last)) => {
            let (first, last) = (day(first)?, day(last)?);
            if first > last {
                return Err(WindowError::Day);
            }
            Ok((first..=last).fold(days, |days, day| days | 1 << day))
        }
    })
}

fn parse_time(text: &str) -> Result<u16, WindowError> {
    let (hour, minute) = text.split_once(':').ok_or(WindowError::Form)?;
    let two = |digits: &str| match digits.as_bytes() {
        [b'0'..=b'9', b'0'..=b'9'] => digits.parse::<u16>().map_err(|_| WindowError::Time),
        _ => Err(WindowError::Time),
    };
    match (two(hour)?, two(minute)?) {
        (24, 0) => Ok(1_440),
        (hour @ 0..=23, minute @ 0..=59) => Ok(hour * 60 + minute),
        _ => Err(WindowError::Time),
    }
}

impl fmt::Display for Window {
    /// As it is read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != EVERY_DAY {
            let names: Vec<&str> =
                DAYS.iter().enumerate().filter(|(day, _)| self.is_on(*day)).map(|(_, name)| *name).collect();
            write!(f, "{} ", names.join(","))?;
        }
        let [from, to] = [self.from, self.to].map(|time| (time / 60, time % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Window {
    fn is_on(self, day: usize) -> bool {
        self.days & 1 << day != 0
    }
}

/// The windows of a campaign, at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    zone: TimeZone,
    windows: Vec<Window>,
}

impl Hours {
    /// These windows, by the clock of this place. Without any, every time is one.
    pub fn new(zone: TimeZone, windows: Vec<Window>) -> Self {
        Self { zone, windows }
    }

    /// Every time.
    pub const fn always() -> Self {
        Self { zone: TimeZone::UTC, windows: Vec::new() }
    }

    /// Whose clock it is.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The windows, in the order in which they were given.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The earliest time at `now` or later at which calls may be placed; both microseconds since 1970-01-01 UTC. `None` if no
    /// calendar reaches so far.
    pub fn opens_at(&self, now: i64) -> Option<i64> {
        if self.windows.is_empty() {
            return Some(now);
        }
        let today = self.zone.day_of(now)?;
        (0..LOOK_AHEAD_DAYS).find_map(|ahead| {
            let day = today.plus(ahead)?;
            let opens = self.windows.iter().filter(|window| window.is_on(day.weekday())).filter_map(|window| {
                let (from, to) = (self.zone.at(day, window.from)?, self.zone.at(day, window.to)?);
                (now < to && from < to).then(|| from.max(now))
            });
            opens.min()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60_000_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    /// Tuesday, 24 November 2026, 00:00 UTC.
    const TUESDAY: i64 = 1_795_478_400_000_000;

    fn hours(zone: &str, windows: &[&str]) -> Hours {
        Hours::new(zone.parse().unwrap(), windows.iter().map(|text| text.parse().unwrap()).collect())
    }

    #[test]
    fn calls_wait_for_the_next_window() {
        for (windows, now, opens) in [
            (&[][..], TUESDAY + 3 * HOUR, TUESDAY + 3 * HOUR),
            (&["09:00-17:00"][..], TUESDAY, TUESDAY + 9 * HOUR),
            (&["09:00-17:00"][..], TUESDAY + 9 * HOUR, TUESDAY + 9 * HOUR),
            (&["09:00-17:00"][..], TUESDAY + 17 * HOUR - 1, TUESDAY + 17 * HOUR - 1),
            (&["09:00-17:00"][..], TUESDAY + 17 * HOUR, TUESDAY + DAY + 9 * HOUR),
            (&["mon 09:00-10:00"][..], TUESDAY, TUESDAY + 6 * DAY + 9 * HOUR),
            (&["tue 09:00-10:00"][..], TUESDAY + 11 * HOUR, TUESDAY + 7 * DAY + 9 * HOUR),
            (&["mon-fri 09:00-12:00", "tue,thu 13:00-14:30"][..], TUESDAY + 12 * HOUR, TUESDAY + 13 * HOUR),
            (&["sat,sun 00:00-24:00"][..], TUESDAY, TUESDAY + 4 * DAY),
            (&["20:00-24:00", "00:00-02:00"][..], TUESDAY + DAY - 1, TUESDAY + DAY - 1),
        ] {
            assert_eq!(hours("UTC", windows).opens_at(now), Some(opens), "{windows:?} at {now}");
        }
    }

    #[test]
    fn the_clock_is_that_of_the_place() {
        // 08:30 in Berlin, in winter.
        assert_eq!(
            hours("Europe/Berlin", &["09:00-17:00"]).opens_at(TUESDAY + 7 * HOUR + 30 * MINUTE),
            Some(TUESDAY + 8 * HOUR)
        );
        // It is Monday evening in New York.
        assert_eq!(hours("America/New_York", &["mon 18:00-20:00"]).opens_at(TUESDAY), Some(TUESDAY));
    }

    #[test]
    fn a_window_in_an_hour_that_the_clock_skips_begins_when_the_clock_goes_on() {
        // Sunday, 29 March 2026, Berlin: 02:00 becomes 03:00, at 01:00 UTC.
        let sunday = 1_774_742_400_000_000;
        let early = hours("Europe/Berlin", &["sun 02:30-04:00"]);
        let opens = early.opens_at(sunday).unwrap();
        assert!((sunday + HOUR..sunday + 2 * HOUR).contains(&opens), "{}", (opens - sunday) / MINUTE);
        let skipped = hours("Europe/Berlin", &["sun 02:10-02:20"]).opens_at(sunday);
        assert_eq!(skipped, Some(sunday + HOUR + 10 * MINUTE), "as long after the jump");
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for (text, error) in [
            ("", WindowError::Form),
            ("mon-fri", WindowError::Day),
            ("mon 09:00", WindowError::Form),
            ("funday 09:00-10:00", WindowError::Day),
            ("fri-mon 09:00-10:00", WindowError::Day),
            ("9:00-10:00", WindowError::Time),
            ("09:00-24:01", WindowError::Time),
            ("09:60-10:00", WindowError::Time),
            ("10:00-10:00", WindowError::Order),
            ("22:00-06:00", WindowError::Order),
        ] {
            let found = text.parse::<Window>().map(|window| window.to_string());
            assert!(found == Err(error) || (text == "mon-fri" && found.is_err()), "{text:?}: {found:?}");
        }
    }

    fn any_window() -> impl Strategy<Value = Window> {
        (1..=EVERY_DAY, 0..1_440u16, 1..=1_440u16).prop_map(|(days, one, other)| Window {
            days,
            from: one.min(other - 1),
            to: other.max(one + 1),
        })
    }

    proptest! {
        #[test]
        fn a_window_reads_back_as_it_is_written(window in any_window()) {
            prop_assert_eq!(window.to_string().parse(), Ok(window));
        }

        #[test]
        fn no_text_does_any_harm(text: String) {
            text.parse::<Window>().ok();
        }

        /// In any week, with the clock changing or not: the time that is found is open, and nothing before it is.
        #[test]
        fn the_next_opening_is_open_and_the_first(
            windows in proptest::collection::vec(any_window(), 1..4),
            minute in 0..(366 * 1_440i64),
            between in 0..1_000i64,
            zone in proptest::sample::select(vec!["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]),
        ) {
            let hours = Hours::new(zone.parse().unwrap(), windows);
            let now = TUESDAY + minute * MINUTE;
            let opens = hours.opens_at(now).expect("a window comes every week");
            prop_assert!(opens >= now && opens <= now + 8 * DAY);
            prop_assert_eq!(hours.opens_at(opens), Some(opens));
            let earlier = now + (opens - now) / 1_000 * between;
            prop_assert_eq!(hours.opens_at(earlier), Some(opens.max(earlier)));
        }
    }
}
