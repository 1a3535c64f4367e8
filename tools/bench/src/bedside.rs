//! Bedside under load: participants join as their pages do.

use std::path::Path;

use bedside_visit::signalling::Command;

use crate::clinic::{Clinic, Person};
use crate::error::BenchError;
use crate::generator::{Generator, PlayerId};
use crate::network::Network;
use crate::options::Load;
use crate::page::{Page, Resting};
use crate::process::resident;
use crate::webrtc::Offered;

/// The server and its participants.
pub(crate) struct Bedside {
    clinic: Clinic,
    /// Resident memory in KiB before anyone joined.
    pub(crate) resident_before: u64,
    seats: Vec<Seat>,
    /// Pages in waiting rooms.
    waiting: Vec<Resting>,
}

/// A participant in a visit.
struct Seat {
    person: Person,
    others: usize,
    page: Option<Resting>,
    player: PlayerId,
}

impl Bedside {
    pub(crate) async fn start(binary: &Path, network: &Network) -> Result<Self, BenchError> {
        Ok(Self {
            clinic: Clinic::open(binary, network).await?,
            resident_before: 0,
            seats: Vec::new(),
            waiting: Vec::new(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.clinic.pid()
    }

    /// Connects the waiting patients; then books the visits, lets all participants join, and starts each visit.
    pub(crate) async fn fill(
        &mut self,
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<(), BenchError> {
        for person in self.clinic.book_patients(load.waiting).await? {
            self.waiting.push(Page::open(&self.clinic, &person).await?.rest());
        }
        let mut booked = Vec::new();
        for _ in 0..load.visits {
            booked.push(self.clinic.book(load.people).await?);
        }
        self.resident_before = resident(self.pid());
        for people in booked {
            let others = people.len() - 1;
            let mut provider = None;
            for person in people {
                let mut page = Page::open(&self.clinic, &person).await?;
                let (offered, offer) = Offered::new(network.address, load, true, others)?;
                let player = generator.add(offered.answered(&page.offer(offer).await?, load)?);
                let is_provider = person.is_provider;
                self.seats.push(Seat { person, others, page: None, player });
                if is_provider {
                    provider = Some((page, self.seats.len() - 1));
                } else if let Some(seat) = self.seats.last_mut() {
                    seat.page = Some(page.rest());
                }
            }
            if let Some((mut page, at)) = provider {
                page.command(Command::Start).await?;
                self.seats[at].page = Some(page.rest());
            }
        }
        Ok(())
    }

    /// Closes a participant's page and lets them rejoin with a new media connection.
    pub(crate) async fn churn(
        &mut self,
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<(), BenchError> {
        let at = fastrand::usize(..self.seats.len());
        let Some(seat) = self.seats.get_mut(at) else { return Ok(()) };
        drop(seat.page.take());
        generator.remove(seat.player);
        let mut page = Page::open(&self.clinic, &seat.person).await?;
        let (offered, offer) = Offered::new(network.address, load, true, seat.others)?;
        seat.player = generator.add(offered.answered(&page.offer(offer).await?, load)?);
        seat.page = Some(page.rest());
        Ok(())
    }
}
