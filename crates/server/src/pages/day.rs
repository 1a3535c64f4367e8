//! What the lists of a day have in common: the day that is asked for, who waits, and where the present moment is.

use std::borrow::Borrow;

use bedside_visit::{Appointment, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

use super::dashboard::Standing;
use crate::text::{rfc3339, time_of_day};

/// A list of so few visits is in sight as a whole.
const IN_SIGHT: usize = 4;

/// `?day=YYYY-MM-DD`.
#[derive(Deserialize)]
pub(crate) struct Day {
    /// `None` if the field is missing or was left empty.
    #[serde(default, deserialize_with = "day_or_empty")]
    pub(super) day: Option<Date>,
}

fn day_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Date>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
}

/// A patient who waits, for the list above a long day.
pub(super) struct Waiting {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) patient: String,
    /// At the front desk, which sees everyone's visits.
    pub(super) provider: Option<String>,
    pub(super) start: String,
    pub(super) time: String,
    pub(super) words: &'static str,
    pub(super) since: Option<String>,
    pub(super) since_time: String,
}

impl Waiting {
    /// `None` if the patient of this visit does not wait, and nobody asks to join it on another device.
    pub(super) fn of(
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

    /// Above a list of so many visits: a short list shows who waits by itself.
    pub(super) fn above(waiting: impl Iterator<Item = Self>, visits: usize) -> Vec<Self> {
        if visits > IN_SIGHT { waiting.collect() } else { Vec::new() }
    }
}

/// The mark of the present moment in a list.
pub(super) struct NowMark {
    /// It stands before this row, counted from 0; after the last one if there are only so many.
    before: usize,
    pub(super) time: String,
    /// To the minute, so that a list that is asked for again is the same.
    pub(super) moment: String,
    /// Whether the list is long enough for a link to the mark.
    pub(super) far: bool,
}

impl NowMark {
    /// In a list of visits that begin at `starts`, in order.
    pub(super) fn among(starts: &[Timestamp], now: Timestamp, zone: &TimeZone) -> Self {
        let minute = Timestamp::from_millis(now.as_millis().div_euclid(60_000) * 60_000);
        Self {
            before: starts.partition_point(|start| *start <= now),
            time: time_of_day(now, zone),
            moment: rfc3339(minute),
            far: starts.len() > IN_SIGHT,
        }
    }

    /// Templates give numbers by reference and by value.
    pub(super) fn is_before(&self, row: impl Borrow<usize>) -> bool {
        self.before == *row.borrow()
    }
}
