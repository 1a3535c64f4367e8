//! A visit with a server and signed-in users.

use bedside_visit::signalling::Command;
use bedside_visit::view::{Stage, View};
use bedside_visit::{Appointment, AppointmentStatus};

use crate::support::{Client, Page, Server, When};

/// A clinic with an appointment that is due, and a signed-in browser for each participant.
pub(crate) struct Room {
    pub(crate) server: Server,
    pub(crate) visit: Appointment,
    pub(crate) ada: Client,
    pub(crate) grace: Client,
}

impl Room {
    pub(crate) async fn new() -> Self {
        Self::at(Server::start().await).await
    }

    async fn at(server: Server) -> Self {
        let visit = server.book(When::Now).await;
        let (ada, grace) = (server.client(), server.sign_in(&server.provider).await);
        ada.join_by_link(&server.link(visit.id).await).await;
        Self { server, visit, ada, grace }
    }

    pub(crate) async fn patient(&self) -> Page {
        Page::open(&self.server, &self.ada, self.visit.id).await
    }

    pub(crate) async fn provider(&self) -> Page {
        Page::open(&self.server, &self.grace, self.visit.id).await
    }

    /// Opens both pages and connects them.
    pub(crate) async fn connected() -> (Self, Page, Page) {
        Self::connected_at(Server::start().await).await
    }

    /// Does the same at a server that runs already.
    pub(crate) async fn connected_at(server: Server) -> (Self, Page, Page) {
        let room = Self::at(server).await;
        let (mut patient, mut provider) = (room.patient().await, room.provider().await);
        patient.command(Command::Enter).await.expect("in");
        provider.command(Command::Start).await.expect("started");
        patient.until("connected", connected).await;
        provider.until("connected", connected).await;
        (room, patient, provider)
    }

    pub(crate) async fn status(&self) -> AppointmentStatus {
        self.server.status(self.visit.id).await
    }

    /// Returns the events of the visit in the audit log: the actor (patient, provider or time) and the action.
    pub(crate) async fn story(&self) -> Vec<String> {
        let rows = self.server.audit().await.into_iter().filter(|row| row.action.starts_with("visit."));
        rows.map(|row| {
            assert_eq!(row.appointment, Some(self.visit.id));
            assert!(row.visit.is_some());
            let who = match row.actor {
                None => "time",
                Some(actor) if actor == self.server.patient.id() => "patient",
                Some(actor) if actor == self.server.provider.id() => "provider",
                Some(other) => panic!("unknown actor {other}"),
            };
            format!("{who} {}", row.action.trim_start_matches("visit."))
        })
        .collect()
    }
}

pub(crate) fn connected(view: &View) -> bool {
    matches!(view.stage, Stage::Connected { .. })
}
