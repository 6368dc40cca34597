//! Where a business is: an IANA time zone, from the data that is built in, so that no system has to have it.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZoneDatabase;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An IANA time zone, such as `Europe/Berlin`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(jiff::tz::TimeZone);

/// A text that names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is no time zone of the IANA database")]
pub struct UnknownTimeZone;

impl TimeZone {
    /// Nowhere in particular.
    pub const UTC: Self = Self(jiff::tz::TimeZone::UTC);

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// A moment as it is said there: `Tuesday, 24 November 2026, 23:22`. `at`: microseconds since 1970-01-01 UTC; one
    /// that no calendar reaches is said as the beginning of 1970.
    pub fn spoken(&self, at: i64) -> String {
        let at = Timestamp::from_microsecond(at).unwrap_or_default();
        at.to_zoned(self.0.clone()).strftime("%A, %-d %B %Y, %H:%M").to_string()
    }
}

impl TimeZone {
    /// The day that a calendar shows there; `None` where no calendar reaches. `at`: microseconds since 1970-01-01 UTC.
    pub fn day_of(&self, at: i64) -> Option<Day> {
        let at = Timestamp::from_microsecond(at).ok()?;
        Some(Day(self.0.to_datetime(at).date()))
    }

    /// When the clock there shows so many minutes after the midnight with which `day` begins, in microseconds since
    /// 1970-01-01 UTC: the first time, where it shows them twice; as long after a jump as it would be without, where it skips
    /// them.
    pub fn at(&self, day: Day, minutes: u16) -> Option<i64> {
        let shown = day.0.to_datetime(Time::midnight()).checked_add(i64::from(minutes).minutes()).ok()?;
        Some(self.0.to_timestamp(shown).ok()?.as_microsecond())
    }
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day(Date);

impl Day {
    /// So many days later.
    pub fn plus(self, days: i64) -> Option<Self> {
        self.0.checked_add(days.days()).ok().map(Self)
    }

    /// 0 is Monday, 6 Sunday.
    pub fn weekday(self) -> usize {
        self.0.weekday().to_monday_zero_offset().unsigned_abs().into()
    }
}

impl FromStr for TimeZone {
    type Err = UnknownTimeZone;

    /// Takes IANA's names in any case, and gives them IANA's.
    fn from_str(text: &str) -> Result<Self, UnknownTimeZone> {
        static DATABASE: OnceLock<TimeZoneDatabase> = OnceLock::new();
        let found = DATABASE.get_or_init(TimeZoneDatabase::bundled).get(text.trim()).map_err(|_| UnknownTimeZone)?;
        match found.iana_name() {
            Some(_) => Ok(Self(found)),
            None => Err(UnknownTimeZone),
        }
    }
}

impl TryFrom<String> for TimeZone {
    type Error = UnknownTimeZone;

    fn try_from(text: String) -> Result<Self, UnknownTimeZone> {
        text.parse()
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.name().to_owned()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_said_as_the_clock_there_shows_it() {
        let winter = 1_795_562_520_000_000; // 2026-11-24 23:22 UTC
        let spoken = |zone: &str| zone.parse::<TimeZone>().unwrap().spoken(winter);
        assert_eq!(spoken("UTC"), "Tuesday, 24 November 2026, 23:22");
        assert_eq!(spoken("Europe/Berlin"), "Wednesday, 25 November 2026, 00:22");
        assert_eq!(spoken("america/new_york"), "Tuesday, 24 November 2026, 18:22");
        assert_eq!(TimeZone::UTC.spoken(i64::MAX), "Thursday, 1 January 1970, 00:00");
    }

    #[test]
    fn what_iana_does_not_know_is_no_time_zone() {
        for wrong in ["", "Berlin", "Europe/Nowhere", "UTC+2", "../../etc/passwd", "\0"] {
            assert_eq!(wrong.parse::<TimeZone>(), Err(UnknownTimeZone), "{wrong:?}");
        }
        assert_eq!("europe/BERLIN".parse::<TimeZone>().unwrap().name(), "Europe/Berlin");
        assert_eq!("utc".parse::<TimeZone>().unwrap(), TimeZone::UTC);
    }
}
