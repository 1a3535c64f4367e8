//! The pages of the clinic's staff: the desk, the provider's day, booking and people.

pub(crate) mod book;
pub(crate) mod booking;
pub(crate) mod dashboard;
mod day;
pub(crate) mod desk;
pub(crate) mod people;
mod standing;
