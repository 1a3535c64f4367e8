//! The machine in virtual time: two pages, no sockets.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::wildcard_enum_match_arm)]

mod hostile;
mod link;
mod media;
mod office;
mod roaming;
mod seeds;
mod simulation;
mod visit;
mod world;
