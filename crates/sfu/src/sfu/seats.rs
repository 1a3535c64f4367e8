//! Joining and leaving.

use bedside_visit::{UserId, VisitId};

use super::Sfu;
use crate::answer;
use crate::command::{Forwarding, IceCredentials, Join, PeerId};
use crate::event::{GoneReason, Output, Refusal};
use crate::offer::{self, OfferRefusal};
use crate::peer::{NewPeer, Panicked, Peer, Step};
use crate::room::Member;

impl Sfu {
    pub(super) fn join(&mut self, join: Join) -> Result<(), Refusal> {
        let Join { peer: id, room, user, others, offer, ice, forwarding } = join;
        if !ice.are_valid() || self.by_ufrag.contains_key(&ice.ufrag) || self.peers.contains_key(&id) {
            return Err(Refusal::Unusable);
        }
        self.check_room_for(room, user)?;
        let offer = offer::parse(&offer)?;
        let new = NewPeer {
            room,
            user,
            others: &others,
            ice: &ice,
            fingerprint: offer.fingerprint,
            sections: offer.sections,
            streams: offer.streams,
            repairs: offer.repairs,
            path: self.config.path,
            candidates: &self.config.candidates,
            certificate: self.config.certificate.clone(),
        };
        let (peer, sdp) = Peer::new(self.now, new, offer.sdp).ok_or(Refusal::Unanswerable)?;
        self.answered(id, &peer, &sdp);
        self.by_ufrag.insert(ice.ufrag, id);
        self.peers.insert(id, peer);
        self.seat(id, room, user, forwarding);
        self.drain(id);
        Ok(())
    }

    fn check_room_for(&self, room: VisitId, user: UserId) -> Result<(), Refusal> {
        let limits = self.config.limits;
        let full = match self.rooms.get(&room) {
            Some(room) => room.member(user).is_none() && room.members.len() >= limits.people_per_room,
            None => self.rooms.len() >= limits.rooms,
        };
        if full { Err(Refusal::Full) } else { Ok(()) }
    }

    /// Places a new connection beside an older one that has been up, even if that is currently lost, because either may
    /// be the first to come up. Otherwise replaces the older one.
    fn seat(&mut self, id: PeerId, room: VisitId, user: UserId, forwarding: Forwarding) {
        let place = self.rooms.entry(room).or_default();
        match place.member_mut(user) {
            None => place.members.push(Member { user, forwarding, live: id, incoming: None, watches: Vec::new() }),
            Some(member) => {
                // Commands already applied to the user take precedence; those of the offer may be older.
                member.forwarding = member.forwarding.and(forwarding);
                let live_counts = self.peers.get(&member.live).is_some_and(Peer::has_been_up);
                let replaced = if live_counts {
                    member.incoming.replace(id)
                } else {
                    let incoming = member.incoming.take();
                    self.ending.extend(incoming.map(|incoming| (incoming, GoneReason::Replaced)));
                    Some(std::mem::replace(&mut member.live, id))
                };
                self.ending.extend(replaced.map(|replaced| (replaced, GoneReason::Replaced)));
            }
        }
        self.connect_routes(room);
    }

    pub(super) fn renegotiate(&mut self, id: PeerId, offer: &str, ice: &IceCredentials) -> Result<(), Refusal> {
        let peer = self.peers.get_mut(&id).ok_or(Refusal::UnknownPeer)?;
        if !ice.are_valid() || self.by_ufrag.contains_key(&ice.ufrag) {
            return Err(Refusal::Unusable);
        }
        let offer = offer::parse(offer)?;
        if offer.fingerprint != peer.fingerprint {
            return Err(OfferRefusal::FingerprintChanged.into());
        }
        if offer.sections != peer.sections {
            return Err(OfferRefusal::SectionsChanged.into());
        }
        peer.declared = offer.streams;
        match peer.renegotiate(offer.sdp, ice) {
            Ok(Some((sdp, None))) => self.answered_again(id, &sdp),
            Ok(Some((sdp, Some(drawn)))) => {
                let old = std::mem::replace(&mut peer.ufrag, ice.ufrag.clone());
                self.by_ufrag.remove(&old);
                self.by_ufrag.insert(ice.ufrag.clone(), id);
                self.answered_again(id, &answer::with_credentials(&sdp, &drawn, ice));
            }
            // str0m may have applied the offer partially, so the page should connect again.
            Ok(None) => {
                self.ending.push((id, GoneReason::Failed));
                return Err(Refusal::Unanswerable);
            }
            Err(Panicked) => {
                self.panicked(id);
                return Err(Refusal::Unanswerable);
            }
        }
        self.drain(id);
        Ok(())
    }

    fn answered_again(&mut self, id: PeerId, sdp: &str) {
        if let Some(peer) = self.peers.remove(&id) {
            self.answered(id, &peer, sdp);
            self.peers.insert(id, peer);
        }
    }

    fn answered(&mut self, id: PeerId, peer: &Peer, sdp: &str) {
        let tracks = peer.tracks();
        let stream_of = |mid: &str| tracks.iter().find(|(name, _)| name == mid).map(|(_, user)| user.to_string());
        let sdp = answer::with_streams(sdp, stream_of);
        self.outputs.push_back(Output::Answered { peer: id, sdp, tracks });
    }

    pub(super) fn panicked(&mut self, id: PeerId) {
        self.statistics.panics += 1;
        self.ending.push((id, GoneReason::Failed));
    }

    pub(super) fn end_peers(&mut self) {
        while let Some((id, why)) = self.ending.pop() {
            self.end(id, why);
        }
    }

    fn end(&mut self, id: PeerId, why: GoneReason) {
        let Some(mut peer) = self.peers.remove(&id) else { return };
        if peer.has_been_up() && why != GoneReason::Failed && why != GoneReason::Closed {
            self.say_goodbye(&mut peer);
        }
        self.by_ufrag.remove(&peer.ufrag);
        for address in peer.addresses.iter().chain(&peer.probationer) {
            self.by_address.remove(address);
        }
        for stream in peer.egress.streams() {
            if self.by_stream.get(&stream) == Some(&id) {
                self.by_stream.remove(&stream);
            }
        }
        if let Some(room) = self.rooms.get_mut(&peer.room) {
            room.remove(peer.user, id);
            if room.members.is_empty() {
                self.rooms.remove(&peer.room);
            }
        }
        self.connect_routes(peer.room);
        self.outputs.push_back(Output::Gone { peer: id, why });
    }

    /// Sends DTLS `close_notify`, so that the page notices immediately.
    fn say_goodbye(&mut self, peer: &mut Peer) {
        if peer.close().is_err() {
            return;
        }
        for _ in 0..16 {
            match peer.poll(self.now) {
                Ok(Step::Transmit(transmit)) => {
                    let class = peer.codecs.class(&transmit.contents);
                    let path = peer.route(self.now, &transmit, class);
                    self.transmit(class, path, transmit.contents.into());
                }
                Ok(Step::Idle | Step::Closed) | Err(Panicked) => return,
                Ok(
                    Step::Packet(_)
                    | Step::Nominated(_)
                    | Step::Connected
                    | Step::KeyframeWanted(_)
                    | Step::Reported(_)
                    | Step::Other,
                ) => (),
            }
        }
    }
}
