//! The real program in this process, with a clinic in it, and people who use it.
//!
//! ```ignore
//! let server = Server::start().await;
//! let visit = server.book(When::Now).await;
//! let (ada, grace) = (server.sign_in(&server.patient).await, server.sign_in(&server.provider).await);
//! let mut page = Page::open(&server, &ada, visit.id).await;
//! page.command(Command::Enter).await.expect("let in");
//! page.until("waiting", |view| matches!(view.stage, Stage::Waiting { .. })).await;
//! ```
//!
//! Nothing here sleeps in order to wait for something: replies and pushed messages are waited for,
//! each for at most [`PATIENCE`].

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

/// How long anything may take before a test gives up. Far more than it takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for: {what}"),
    }
}
