//! Runs the visit state machine: one task per live appointment, one WebSocket per page.

mod census;
mod claims;
mod connection;
mod event;
mod hub;
mod joining;
mod live;
mod open_pages;
mod socket;
mod visit_task;

pub(crate) use census::Census;
pub(crate) use hub::Hub;
pub(crate) use socket::{__path_upgrade, upgrade};
