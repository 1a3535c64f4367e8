//! What the clinic does with appointments, people and links. Shared by the pages, the API and the command line.

pub(crate) mod bookings;
pub mod demo;
pub(crate) mod device_requests;
pub(crate) mod integrators;
pub(crate) mod invites;
pub(crate) mod people;
mod person_fault;
pub(crate) mod resets;
