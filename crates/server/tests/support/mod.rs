//! Runs the real program in this process, with a clinic and its users.
//!
//! ```ignore
//! let server = Server::start().await;
//! let visit = server.book(When::Now).await;
//! let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
//! let mut page = Page::open(&server, &ada, visit.id).await;
//! page.command(Command::Enter).await.expect("entered");
//! page.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
//! ```
//!
//! Nothing here waits by sleeping: tests wait for responses and pushed messages, each for at most [`PATIENCE`].

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod authenticator;
pub(crate) mod call;
mod client;
mod clinic;
pub(crate) mod database;
pub(crate) mod double;
pub(crate) mod mail;
mod page;
pub(crate) mod provider;
mod server;
mod site;
mod wire;

use std::future::Future;
use std::time::Duration;

#[allow(unused_imports, reason = "each test binary uses a part of it")]
pub(crate) use self::{
    client::{Client, Reply},
    clinic::{Account, GRANT, PASSWORD, When},
    page::{Beginning, Ending, Page, Refused},
    server::{Server, TestClock},
    site::Site,
    wire::{raw, raw_until_closed},
};

/// Timeout for each wait. Far longer than needed, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a future, and panics after [`PATIENCE`].
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("timed out waiting for: {what}"),
    }
}
