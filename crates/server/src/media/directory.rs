//! Maps peers to users and pages, and tracks pages that wait for an SDP answer.

use std::collections::HashMap;

use bedside_sfu::{OfferRefusal, PeerId, Refusal};
use bedside_visit::{UserId, VisitId};
use tokio::sync::oneshot;

use super::messages::{MediaAnswer, MediaEvent, MediaEventKind, MediaJoin, MediaNews, MediaRefusal};

pub(super) type Reply = oneshot::Sender<Result<MediaAnswer, MediaRefusal>>;

/// The peers of one worker.
#[derive(Debug, Default)]
pub(super) struct Directory {
    peers: HashMap<PeerId, Entry>,
    /// The peers of each user, the newest last.
    people: HashMap<(VisitId, UserId), Vec<PeerId>>,
}

#[derive(Debug)]
struct Entry {
    room: VisitId,
    user: UserId,
    page_peer: u32,
    /// Whether an offer has been answered.
    answered: bool,
    /// Whether the user's connections are being closed on purpose.
    dropped: bool,
    /// Whether the page runs on this machine.
    near: bool,
    waiting: Option<Waiting>,
}

/// A page that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) join: Box<MediaJoin>,
    pub(super) reply: Reply,
}

impl Waiting {
    /// Refuses the page, because ICE credentials cannot be generated without random numbers.
    pub(super) fn refuse(self) {
        tracing::error!("no random numbers available");
        let _ = self.reply.send(Err(MediaRefusal::Busy));
    }
}

impl Directory {
    /// Returns the peer of a page's connection, if it is alive.
    pub(super) fn find(&self, room: VisitId, user: UserId, page_peer: u32) -> Option<PeerId> {
        let peers = self.people.get(&(room, user))?.iter().rev();
        peers.copied().find(|id| self.peers.get(id).is_some_and(|peer| peer.page_peer == page_peer && !peer.dropped))
    }

    pub(super) fn add(&mut self, peer: PeerId, waiting: Waiting) {
        let MediaJoin { room, user, page_peer, near, .. } = *waiting.join;
        self.people.entry((room, user)).or_default().push(peer);
        self.peers.insert(
            peer,
            Entry { room, user, page_peer, answered: false, dropped: false, near, waiting: Some(waiting) },
        );
    }

    /// Returns whether a peer's page runs on this machine.
    pub(super) fn is_near(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|entry| entry.near)
    }

    pub(super) fn wait(&mut self, peer: PeerId, waiting: Waiting) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.waiting = Some(waiting);
        }
    }

    pub(super) fn answered(&mut self, peer: PeerId, answer: MediaAnswer) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let again = std::mem::replace(&mut entry.answered, true);
        if let Some(waiting) = entry.waiting.take() {
            let _ = waiting.reply.send(Ok(MediaAnswer { again, ..answer }));
        }
    }

    /// Handles a refusal. Returns the waiting page if it should be retried as a new connection: a page numbers its
    /// connections from one again after a reload, so the number may match one of its earlier connections.
    pub(super) fn refused(&mut self, peer: PeerId, why: &Refusal) -> Option<Waiting> {
        let entry = self.peers.get_mut(&peer)?;
        let waiting = entry.waiting.take();
        if entry.answered && is_another_connection(why) {
            return waiting;
        }
        if !entry.answered {
            self.remove(peer);
        }
        let refusal = match why {
            Refusal::Full | Refusal::Unusable => MediaRefusal::Busy,
            Refusal::Offer(_) | Refusal::Unanswerable | Refusal::UnknownPeer => MediaRefusal::BadOffer,
        };
        if let Some(waiting) = waiting {
            let _ = waiting.reply.send(Err(refusal));
        }
        None
    }

    pub(super) fn event(&self, peer: PeerId, kind: MediaEventKind) -> Option<MediaEvent> {
        let entry = self.peers.get(&peer).filter(|entry| !entry.dropped)?;
        let news = MediaNews::Connection { user: entry.user, page_peer: entry.page_peer, kind };
        Some(MediaEvent { room: entry.room, news })
    }

    /// Removes a peer that has ended. Returns the event to report, unless the connection was closed on purpose.
    pub(super) fn gone(&mut self, peer: PeerId) -> Option<MediaEvent> {
        let entry = self.remove(peer)?;
        let replaced = self.people.contains_key(&(entry.room, entry.user));
        let Entry { room, user, page_peer, dropped, .. } = entry;
        let news = MediaNews::Connection { user, page_peer, kind: MediaEventKind::Gone { replaced } };
        (!dropped).then_some(MediaEvent { room, news })
    }

    /// Marks all peers of a user as dropped and returns them.
    pub(super) fn drop_user(&mut self, room: VisitId, user: UserId) -> Vec<PeerId> {
        let peers = self.people.get(&(room, user)).cloned().unwrap_or_default();
        for peer in &peers {
            if let Some(entry) = self.peers.get_mut(peer) {
                entry.dropped = true;
            }
        }
        peers
    }

    pub(super) fn all(&self) -> Vec<PeerId> {
        self.peers.keys().copied().collect()
    }

    fn remove(&mut self, peer: PeerId) -> Option<Entry> {
        let entry = self.peers.remove(&peer)?;
        if let Some(peers) = self.people.get_mut(&(entry.room, entry.user)) {
            peers.retain(|other| *other != peer);
            if peers.is_empty() {
                self.people.remove(&(entry.room, entry.user));
            }
        }
        Some(entry)
    }
}

fn is_another_connection(why: &Refusal) -> bool {
    matches!(
        why,
        Refusal::UnknownPeer | Refusal::Offer(OfferRefusal::FingerprintChanged | OfferRefusal::SectionsChanged)
    )
}
