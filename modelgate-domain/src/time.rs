//! Points in time and spans, as values: nothing here knows what time it is now.

use std::time::Duration;

use jiff::Unit;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z. For display, storage and calendars; never for limits or timers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// A point given in Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Unix milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Unix seconds, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point moved forward; it stays at the end of time instead of wrapping.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// RFC 3339 in UTC with milliseconds, such as `2026-01-02T03:04:05.678Z`.
    pub fn to_rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => format!("{time:.3}"),
            Err(_) => self.0.to_string(),
        }
    }

    /// Reads RFC 3339 with any offset.
    ///
    /// # Errors
    /// [`NotATime`] for anything else.
    pub fn parse(text: &str) -> Result<Self, NotATime> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self(time.as_millisecond()))
            .map_err(|_| NotATime)
    }
}

/// The text is not an RFC 3339 time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in 2026-12-31T23:59:59Z")]
pub struct NotATime;

/// Time since the process began: what limits and timers are measured in, untouched by jumps of the wall clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

impl Monotonic {
    /// A point this long after the process began.
    pub const fn from_start(span: Duration) -> Self {
        Self(span)
    }

    /// Time since the process began.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// This point moved forward.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }
}

/// How often a quota begins anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Period {
    /// Never: the quota is for the life of the key, until a reset.
    #[default]
    Total,
    /// At midnight of the configured zone.
    Day,
    /// At midnight before Monday.
    Week,
    /// At midnight before the first of the month.
    Month,
}

impl Period {
    /// The word used in the API and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The period of that word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Total, Self::Day, Self::Week, Self::Month]
            .into_iter()
            .find(|period| period.as_str() == text)
    }

    /// Start of the period that holds `now`; `None` for [`Period::Total`], which has no start of its own.
    pub fn start(self, now: Timestamp, zone: &Zone) -> Option<Timestamp> {
        self.day_of_start(now, zone)
            .and_then(|day| zone.midnight(day))
    }

    /// When the period that holds `now` ends and the next one begins; `None` for [`Period::Total`].
    pub fn end(self, now: Timestamp, zone: &Zone) -> Option<Timestamp> {
        let day = self.day_of_start(now, zone)?;
        let next = match self {
            Self::Total => return None,
            Self::Day => day.tomorrow().ok()?,
            Self::Week => day.checked_add(jiff::Span::new().weeks(1)).ok()?,
            Self::Month => day.last_of_month().tomorrow().ok()?,
        };
        zone.midnight(next)
    }

    fn day_of_start(self, now: Timestamp, zone: &Zone) -> Option<jiff::civil::Date> {
        let today = jiff::Timestamp::from_millisecond(now.0)
            .ok()?
            .to_zoned(zone.0.clone())
            .date();
        match self {
            Self::Total => None,
            Self::Day => Some(today),
            Self::Week => {
                let days = i64::from(today.weekday().since(Weekday::Monday));
                today
                    .checked_sub(jiff::Span::new().try_days(days).ok()?)
                    .ok()
            }
            Self::Month => Some(today.first_of_month()),
        }
    }
}

/// A named time zone, such as `Europe/Berlin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of that IANA name.
    ///
    /// # Errors
    /// [`NoSuchZone`] when the name is not in the time zone database.
    pub fn named(name: &str) -> Result<Self, NoSuchZone> {
        TimeZone::get(name).map(Self).map_err(|_| NoSuchZone)
    }

    fn midnight(&self, day: jiff::civil::Date) -> Option<Timestamp> {
        let start = day.to_zoned(self.0.clone()).ok()?;
        let start = start.round(Unit::Millisecond).ok()?;
        Some(Timestamp(start.timestamp().as_millisecond()))
    }
}

/// The name is not in the time zone database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time zone is an IANA name such as UTC or Europe/Berlin")]
pub struct NoSuchZone;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(
            at("2026-01-02T05:04:05.678+02:00").to_rfc3339(),
            "2026-01-02T03:04:05.678Z"
        );
        assert_eq!(
            Timestamp::from_millis(0).to_rfc3339(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(Timestamp::parse("yesterday"), Err(NotATime));
    }

    #[test]
    fn periods_begin_and_end_at_midnight_of_their_zone() {
        let check = |period: Period, zone: &str, now: &str, start: &str, end: &str| {
            let zone = Zone::named(zone).unwrap();
            assert_eq!(
                period.start(at(now), &zone),
                Some(at(start)),
                "start of {period:?} at {now}"
            );
            assert_eq!(
                period.end(at(now), &zone),
                Some(at(end)),
                "end of {period:?} at {now}"
            );
        };
        check(
            Period::Day,
            "UTC",
            "2026-03-01T12:00:00Z",
            "2026-03-01T00:00:00Z",
            "2026-03-02T00:00:00Z",
        );
        check(
            Period::Day,
            "Asia/Kathmandu",
            "2026-03-01T18:14:59Z",
            "2026-02-28T18:15:00Z",
            "2026-03-01T18:15:00Z",
        );
        check(
            Period::Day,
            "Asia/Kathmandu",
            "2026-03-01T18:15:00Z",
            "2026-03-01T18:15:00Z",
            "2026-03-02T18:15:00Z",
        );
        // The day on which the clocks go forward has 23 hours.
        check(
            Period::Day,
            "Europe/Berlin",
            "2026-03-29T10:00:00Z",
            "2026-03-28T23:00:00Z",
            "2026-03-29T22:00:00Z",
        );
        check(
            Period::Week,
            "UTC",
            "2026-03-01T12:00:00Z",
            "2026-02-23T00:00:00Z",
            "2026-03-02T00:00:00Z",
        );
        check(
            Period::Week,
            "UTC",
            "2026-03-02T00:00:00Z",
            "2026-03-02T00:00:00Z",
            "2026-03-09T00:00:00Z",
        );
        check(
            Period::Month,
            "UTC",
            "2026-12-31T23:59:59Z",
            "2026-12-01T00:00:00Z",
            "2027-01-01T00:00:00Z",
        );
    }

    #[test]
    fn a_total_quota_has_no_period_of_its_own() {
        assert_eq!(
            Period::Total.start(at("2026-03-01T12:00:00Z"), &Zone::UTC),
            None
        );
        assert_eq!(
            Period::Total.end(at("2026-03-01T12:00:00Z"), &Zone::UTC),
            None
        );
    }

    #[test]
    fn zones_have_iana_names() {
        assert_eq!(Zone::named("Mars/Olympus"), Err(NoSuchZone));
    }
}
