//! A test scenario of users who book, meet and meet again, run against every implementation of the store.

#![allow(clippy::unwrap_used, reason = "tests")]

mod appointments;
mod records;
#[path = "../support/mod.rs"]
mod support;
mod users;
mod visits;

use bedside_store::{Conflict, Store, StoreError, Transaction};
use tempfile::TempDir;

#[tokio::test]
async fn on_sqlite() {
    let directory = TempDir::new().unwrap();
    let store = support::sqlite(directory.path()).await;
    story(&store).await;
    records::jobs(&store).await;
    records::copies(&store, directory.path()).await;
    store.close().await;
}

async fn story(store: &dyn Store) {
    users::people(store).await;
    users::second_step(store).await;
    appointments::bookings(store).await;
    users::sign_in(store).await;
    users::password_reset(store).await;
    users::provider_link(store).await;
    users::passkey(store).await;
    appointments::patient_link(store).await;
    appointments::another_device(store).await;
    appointments::companions(store).await;
    users::the_clinic(store).await;
    appointments::a_cancelled_appointment_changes_rights(store).await;
    appointments::done_requests(store).await;
    appointments::programs(store).await;
    visits::visits(store).await;
    visits::backends(store).await;
    appointments::forgetting(store).await;
    visits::half_a_change_is_none(store).await;
    records::audit(store).await;
}

async fn begin(store: &dyn Store) -> Box<dyn Transaction> {
    store.begin().await.unwrap()
}

fn conflict(result: Result<(), StoreError>) -> Option<Conflict> {
    match result {
        Err(StoreError::Conflict(conflict)) => Some(conflict),
        Ok(()) | Err(_) => None,
    }
}
