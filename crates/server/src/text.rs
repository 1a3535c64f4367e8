//! Formats times, dates and URLs for display and for machines.

use bedside_visit::{Role, Timestamp};
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Zoned};

/// Formats a time as RFC 3339 in UTC with whole seconds.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    zoned(at, &TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Formats a time as RFC 3339 in UTC with milliseconds.
pub(crate) fn rfc3339_exact(at: Timestamp) -> String {
    zoned(at, &TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Returns the calendar date of a time in a time zone.
pub(crate) fn civil_date(at: Timestamp, zone: &TimeZone) -> Date {
    zoned(at, zone).date()
}

/// Formats the time of day, for example "14:05".
pub(crate) fn time_of_day(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%H:%M").to_string()
}

/// Formats a date and time, for example "Monday, 23 November, 14:05".
pub(crate) fn day_and_time(at: Timestamp, zone: &TimeZone) -> String {
    zoned(at, zone).strftime("%A, %-d %B, %H:%M").to_string()
}

/// Returns the start and end of the calendar day of `at` in a time zone. Days with a daylight saving change are
/// longer or shorter.
pub(crate) fn bounds_of_day(at: Timestamp, zone: &TimeZone) -> (Timestamp, Timestamp) {
    bounds_of_date(civil_date(at, zone), zone)
}

/// Returns the start and end of a calendar day in a time zone.
pub(crate) fn bounds_of_date(date: Date, zone: &TimeZone) -> (Timestamp, Timestamp) {
    let begin = |date: Date| moment_of(date, Time::midnight(), zone).unwrap_or_else(|| Timestamp::from_millis(0));
    (begin(date), begin(date.tomorrow().unwrap_or(date)))
}

/// Returns the instant of a local date and time. A time skipped by a daylight saving change is moved forward by the
/// length of the gap.
pub(crate) fn moment_of(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    let zoned = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

/// Formats a date, for example "Monday, 23 November 2026".
pub(crate) fn date_in_words(date: Date) -> String {
    date.strftime("%A, %-d %B %Y").to_string()
}

/// Formats a date of birth, for example "10 December 1985".
pub(crate) fn date_of_birth(date: Date) -> String {
    date.strftime("%-d %B %Y").to_string()
}

/// Returns the name of a time zone with its UTC offset at that time, for example "New York time (UTC−5)".
pub(crate) fn zone_in_words(at: Timestamp, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    if name == "UTC" || name.starts_with("Etc/") {
        return name.trim_start_matches("Etc/").to_owned();
    }
    let seconds = zoned(at, zone).offset().seconds();
    let (sign, minutes) = (if seconds < 0 { '−' } else { '+' }, seconds.unsigned_abs() / 60);
    let offset = match (minutes / 60, minutes % 60) {
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, rest) => format!("UTC{sign}{hours}:{rest:02}"),
    };
    let city = name.rsplit('/').next().unwrap_or(name).replace('_', " ");
    format!("{city} time ({offset})")
}

/// Percent-encodes all characters except unreserved ones and those in `kept` (RFC 3986, section 2.1).
pub(crate) fn percent_encode(text: &str, kept: &[u8]) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

fn zoned(at: Timestamp, zone: &TimeZone) -> Zoned {
    let instant = jiff::Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_millis(at.as_millis()));
    instant.unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// Returns the name of a role, for display.
pub(crate) const fn role_in_words(role: Role) -> &'static str {
    match role {
        Role::Patient => "Patient",
        Role::Provider => "Provider",
        Role::Guest => "Guest",
        Role::Interpreter => "Interpreter",
        Role::Observer => "Observer",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_their_zone() {
        let at = Timestamp::from_millis(1_795_442_700_000);
        let vienna = TimeZone::get("Europe/Vienna").expect("a zone");
        assert_eq!(rfc3339(at), "2026-11-23T14:05:00Z");
        assert_eq!(rfc3339_exact(Timestamp::from_millis(1_795_442_700_007)), "2026-11-23T14:05:00.007Z");
        assert_eq!(day_and_time(at, &vienna), "Monday, 23 November, 15:05");
    }

    #[test]
    fn a_zone_is_named_as_people_know_it() {
        let at = Timestamp::from_millis(1_795_442_700_000);
        let words = |name| zone_in_words(at, &TimeZone::get(name).expect("a zone"));
        assert_eq!(words("America/New_York"), "New York time (UTC−5)");
        assert_eq!(words("Asia/Kolkata"), "Kolkata time (UTC+5:30)");
        assert_eq!((words("Etc/UTC"), zone_in_words(at, &TimeZone::UTC)), ("UTC".to_owned(), "UTC".to_owned()));
    }

    #[test]
    fn a_day_with_a_clock_change_is_25_hours() {
        let vienna = TimeZone::get("Europe/Vienna").expect("a zone");
        let at = Timestamp::from_millis(1_792_927_800_000); // 2026-10-25T11:30Z
        let (begin, end) = bounds_of_day(at, &vienna);
        assert_eq!(end.since(begin).as_secs(), 25 * 3600);
    }
}
