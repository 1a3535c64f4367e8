//! The confirmation page for actions with serious consequences. It identifies the person affected and describes the
//! effect.

use askama::Template;
use jiff::civil::Date;

use crate::pages::Layout;
use crate::text::date_of_birth;

/// A confirmation page. Confirming submits the same form with `sure=true`.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(in crate::pages) struct ConfirmPage {
    pub(in crate::pages) layout: Layout,
    /// Precedes the name, for example "Remove".
    pub(in crate::pages) question: &'static str,
    pub(in crate::pages) name: String,
    pub(in crate::pages) born: Option<Born>,
    /// Details that distinguish people of the same name.
    pub(in crate::pages) about: String,
    /// The start of the affected visit, as a machine-readable and a displayed time.
    pub(in crate::pages) visit: Option<(String, String)>,
    /// The clinic's time zone.
    pub(in crate::pages) zone: String,
    /// What the action does and how to undo it.
    pub(in crate::pages) effect: &'static str,
    pub(in crate::pages) action: String,
    pub(in crate::pages) fields: Vec<(&'static str, String)>,
    pub(in crate::pages) yes: &'static str,
    pub(in crate::pages) no: &'static str,
    pub(in crate::pages) back: String,
}

/// A date of birth, machine-readable and for display.
pub(in crate::pages) struct Born {
    pub(in crate::pages) date: String,
    pub(in crate::pages) words: String,
}

impl Born {
    pub(in crate::pages) fn on(date: Date) -> Self {
        Self { date: date.to_string(), words: date_of_birth(date) }
    }
}
