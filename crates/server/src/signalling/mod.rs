//! The shell of the visit machine: one task a live appointment, one WebSocket a page.

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
