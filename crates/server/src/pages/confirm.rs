//! The question before something that cannot be taken for something else: whom it concerns, and what becomes of them.

use askama::Template;
use jiff::civil::Date;

use super::Layout;
use crate::text::date_of_birth;

/// The answer is the same form, with `sure=true`.
#[derive(Template)]
#[template(path = "confirm.html")]
pub(super) struct ConfirmPage {
    pub(super) layout: Layout,
    /// Stands before the name: "Remove".
    pub(super) question: &'static str,
    pub(super) name: String,
    pub(super) born: Option<Born>,
    /// What else tells them from others of that name.
    pub(super) about: String,
    /// Begin of the visit that it is about, for a machine and for a person.
    pub(super) visit: Option<(String, String)>,
    /// The clinic's time zone.
    pub(super) zone: String,
    /// What happens, and how it is undone.
    pub(super) effect: &'static str,
    pub(super) action: String,
    pub(super) fields: Vec<(&'static str, String)>,
    pub(super) yes: &'static str,
    pub(super) no: &'static str,
    pub(super) back: String,
}

/// A date of birth, for a machine and for a person.
pub(super) struct Born {
    pub(super) date: String,
    pub(super) words: String,
}

impl Born {
    pub(super) fn on(date: Date) -> Self {
        Self { date: date.to_string(), words: date_of_birth(date) }
    }
}
