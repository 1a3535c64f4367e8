//! The whole program over HTTP and WebSockets: one binary, a server of its own for every test.

#[path = "../support/mod.rs"]
mod support;

mod api;
mod invites;
mod pages;
mod restarts;
mod sessions;
mod sign_in;
mod signalling;
mod visits;
