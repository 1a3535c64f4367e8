//! End-to-end tests with the real server, database, Chromium and WebRTC.
//!
//! They need Chromium and the built client, so they are ignored by a plain `cargo test`:
//! `cargo xtask test browser` installs both and runs them.

#![allow(clippy::disallowed_methods, reason = "deadlines of real time")]

mod calls;
mod cdp;
mod chromium;
mod companions;
mod doors;
mod gallery;
mod journeys;
mod people;
mod phones;
mod policy;
mod readers;
#[path = "../support/mod.rs"]
mod support;
mod troubles;
mod ways_in;
mod window;
