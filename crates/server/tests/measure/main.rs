//! Measures the figures of docs/performance.md. They are printed, not asserted. What must have happened for a figure to
//! be meaningful is asserted.
//!
//! `cargo xtask measure` installs Chromium, builds the client, and runs them in release mode, one after the other.
//! `TRIALS` (25) is the number of timed starts.

#![allow(clippy::disallowed_methods, reason = "it measures real time")]
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod api;
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../browser/cdp.rs"]
mod cdp;
#[path = "../browser/chromium.rs"]
#[allow(dead_code, reason = "the browser tests use the rest")]
mod chromium;
mod figures;
mod flood;
mod idle;
mod memory;
mod page;
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../browser/people.rs"]
mod people;
mod program;
mod quality;
mod slow_browser;
mod start;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "a part of it is used")]
#[path = "../browser/window.rs"]
mod window;
