//! The whole program over HTTP and WebSockets: one binary, a server of its own for every test.

#[path = "../support/mod.rs"]
mod support;

mod visits;
