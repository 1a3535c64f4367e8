//! Elements shared by the day lists: the requested day, waiting patients, and the current time marker.

use std::borrow::Borrow;

use bedside_visit::{Appointment, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use crate::pages::clinic::standing::Standing;
use crate::text::{rfc3339, time_of_day};

/// Lists with at most this many visits fit on the screen.
const IN_SIGHT: usize = 4;

/// The query `?day=YYYY-MM-DD`.
#[derive(Deserialize)]
pub(crate) struct Day {
    /// `None` if the field is missing or empty.
    #[serde(default, deserialize_with = "day_or_empty")]
    pub(in crate::pages) day: Option<Date>,
}

fn day_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

/// A waiting patient, shown above a long list.
pub(in crate::pages) struct Waiting {
    pub(in crate::pages) id: String,
    pub(in crate::pages) href: String,
    pub(in crate::pages) patient: String,
    /// The provider's name, at the front desk only.
    pub(in crate::pages) provider: Option<String>,
    pub(in crate::pages) start: String,
    pub(in crate::pages) time: String,
    pub(in crate::pages) words: &'static str,
    pub(in crate::pages) since: Option<String>,
    pub(in crate::pages) since_time: String,
}

impl Waiting {
    /// Returns `None` unless the patient waits or a device request is pending.
    pub(in crate::pages) fn of(
        appointment: &Appointment,
        standing: &Standing,
        asks: bool,
        href: String,
        zone: &TimeZone,
    ) -> Option<Self> {
        if standing.badge != "badge--waiting" && !asks {
            return None;
        }
        Some(Self {
            id: appointment.id.to_string(),
            href,
            patient: appointment.participants.patient.name.reveal().clone(),
            provider: None,
            start: rfc3339(appointment.start),
            time: time_of_day(appointment.start, zone),
            words: if asks { "Asks to use another device" } else { standing.words },
            since: standing.since.filter(|_| !asks).map(rfc3339),
            since_time: standing.since.map(|at| time_of_day(at, zone)).unwrap_or_default(),
        })
    }

    /// Returns the entries to show above a list of `visits` visits. Short lists show waiting patients without them.
    pub(in crate::pages) fn above(waiting: impl Iterator<Item = Self>, visits: usize) -> Vec<Self> {
        if visits > IN_SIGHT { waiting.collect() } else { Vec::new() }
    }
}

/// The marker of the current time in a list.
pub(in crate::pages) struct NowMark {
    /// The index of the row that the marker precedes. Equal to the number of rows if it follows the last one.
    before: usize,
    pub(in crate::pages) time: String,
    /// Rounded to the minute, so that reloading the list does not change it.
    pub(in crate::pages) moment: String,
    /// Whether the list is long enough for a link to the marker.
    pub(in crate::pages) far: bool,
}

impl NowMark {
    /// Places the marker in a list of visits, sorted by start time.
    pub(in crate::pages) fn among(starts: &[Timestamp], now: Timestamp, zone: &TimeZone) -> Self {
        let minute = Timestamp::from_millis(now.as_millis().div_euclid(60_000) * 60_000);
        Self {
            before: starts.partition_point(|start| *start <= now),
            time: time_of_day(now, zone),
            moment: rfc3339(minute),
            far: starts.len() > IN_SIGHT,
        }
    }

    /// Returns whether the marker precedes this row. Accepts the index by reference and by value, because templates
    /// pass both.
    pub(in crate::pages) fn is_before(&self, row: impl Borrow<usize>) -> bool {
        self.before == *row.borrow()
    }
}
