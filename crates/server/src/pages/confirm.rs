//! The confirmation page for actions with serious consequences. It identifies the person affected and describes the
//! effect.

use askama::Template;
use jiff::civil::Date;

use super::Layout;
use crate::text::date_of_birth;

/// A confirmation page. Confirming submits the same form with `sure=true`.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct ConfirmPage {
    pub(super) layout: Layout,
    /// Precedes the name, for example "Remove".
    pub(super) question: &'static str,
    pub(super) name: String,
    pub(super) born: Option<Born>,
    /// Details that distinguish people of the same name.
    pub(super) about: String,
    /// The start of the affected visit, as a machine-readable and a displayed time.
    pub(super) visit: Option<(String, String)>,
    /// The clinic's time zone.
    pub(super) zone: String,
    /// What the action does and how to undo it.
    pub(super) effect: &'static str,
    pub(super) action: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    pub(super) back: String,
}

/// A date of birth, machine-readable and for display.
pub(super) struct Born {
    pub(super) date: String,
    pub(super) words: String,
}

impl Born {
    pub(super) fn on(date: Date) -> Self {
        Self { date: date.to_string(), words: date_of_birth(date) }
    }
}
