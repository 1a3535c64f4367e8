//! The shell of the visit machine: one task a live appointment, one WebSocket a page.

mod connection;
mod hub;
mod socket;
mod visit_task;

pub(crate) use hub::Hub;
pub(crate) use socket::{__path_upgrade, upgrade};
