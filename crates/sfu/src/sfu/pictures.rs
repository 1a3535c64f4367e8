//! Layer selection for every receiver, the layers requested of publishers, and the active speaker.

use bedside_visit::{Layer, UserId, VisitId};
use str0m::media::MediaKind;

use super::Sfu;
use crate::command::PeerId;
use crate::downlink::Demand;
use crate::event::Output;
use crate::layers::{Chosen, PerLayer, Picture, Space};
use crate::packet::Packet;
use crate::peer::{Peer, Route, Slot};
use crate::room::Room;

impl Sfu {
    /// Sets how large a page displays the other participants.
    pub(super) fn watch(&mut self, room: VisitId, user: UserId, most: Vec<(UserId, Option<Layer>)>) {
        let Some(member) = self.rooms.get_mut(&room).and_then(|room| room.member_mut(user)) else { return };
        member.watches = most;
        let live = member.live;
        self.choose_layers(live);
    }

    /// Recomputes the layers for all receivers in a room.
    pub(super) fn choose_all_layers(&mut self, room: VisitId) {
        let Some(place) = self.rooms.get(&room) else { return };
        let receivers: Vec<PeerId> = place.members.iter().map(|member| member.live).collect();
        for id in receivers {
            self.choose_layers(id);
        }
        self.tell_all_wanted(room);
    }

    /// Recomputes the layers for one receiver, and requests what it needs.
    pub(super) fn choose_layers(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let Some(place) = self.rooms.get(&peer.room) else { return };
        let pictures: Vec<Picture> = self.shown(peer).map(|slot| self.picture(peer, place, slot)).collect();
        let inflexible = self.inflexible(peer);
        let left = |bits: Option<u64>| bits.map(|bits| bits.saturating_sub(inflexible));
        let space = Space { room: left(peer.downlink.room()), carried: left(peer.downlink.carried()) };
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let chosen = peer.choice.choose(now, space, &pictures);
        let slots = peer.slots.iter_mut().filter(|slot| slot.kind == MediaKind::Video);
        let mut awaited = Vec::new();
        let mut sources = Vec::new();
        for ((slot, picture), chosen) in slots.zip(&pictures).zip(chosen) {
            slot.chosen = chosen;
            if picture.rates == PerLayer::default() {
                // Not simulcast, or without a publisher.
                slot.selection.aim(Some(Layer::Full), true);
                continue;
            }
            slot.selection.aim(chosen.take.or(chosen.wish), chosen.holds);
            sources.extend(slot.source);
            awaited.extend(slot.source.zip(slot.selection.awaited()));
        }
        for (source, layer) in awaited {
            self.want_keyframe(source, layer);
        }
        for source in sources {
            self.tell_wanted(source);
        }
    }

    /// Returns the video slots of a receiver.
    fn shown<'a>(&self, peer: &'a Peer) -> impl Iterator<Item = &'a Slot> {
        peer.slots.iter().filter(|slot| slot.kind == MediaKind::Video)
    }

    /// Returns the input of the layer choice for one video. Without simulcast there is nothing to choose.
    fn picture(&self, receiver: &Peer, place: &Room, slot: &Slot) -> Picture {
        let source = slot.source.and_then(|source| self.peers.get(&source));
        let Some(source) = source.filter(|source| source.encodings.are_several()) else { return Picture::default() };
        let most = place.member(receiver.user).map_or(Some(Layer::Full), |member| member.most(slot.from));
        Picture {
            rates: source.encodings.rates(self.now),
            most: most.filter(|_| !receiver.downlink.is_without_pictures()),
            speaks: place.speakers.floor() == Some(slot.from),
        }
    }

    /// Returns the bit rate of non-simulcast videos, whose senders are limited to a share.
    fn inflexible(&self, peer: &Peer) -> u64 {
        let share = peer.downlink.share(peer.pictures());
        let single = |slot: &Slot| {
            let source = slot.source.and_then(|source| self.peers.get(&source))?;
            let bits = source.encodings.rates(self.now)[Layer::Full];
            (!source.encodings.are_several() && bits.live)
                .then(|| share.map_or(bits.bits, |share| share.min(bits.bits)))
        };
        self.shown(peer).filter_map(single).sum()
    }

    /// Returns the demand of a receiver's videos.
    pub(super) fn demand(&self, peer: &Peer) -> Demand {
        let is_layered = |source: PeerId| self.peers.get(&source).is_some_and(|source| source.encodings.are_several());
        let sources = self.shown(peer).filter_map(|slot| slot.source);
        let layered = sources.filter(|source| is_layered(*source)).count() as u64;
        Demand { pictures: peer.pictures(), at_least: (peer.pictures() - layered).max(1) }
    }

    /// Returns whether a sender's video is adapted by choosing layers instead of limiting its bit rate.
    pub(super) fn is_layered(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.encodings.are_several())
    }

    pub(super) fn tell_all_wanted(&mut self, room: VisitId) {
        let Some(place) = self.rooms.get(&room) else { return };
        let senders: Vec<PeerId> = place.members.iter().map(|member| member.live).collect();
        for id in senders {
            self.tell_wanted(id);
        }
    }

    /// Tells a page which layers of its video are used, if that changed.
    pub(super) fn tell_wanted(&mut self, id: PeerId) {
        let told = |peer: &&Peer| peer.encodings.are_several() && peer.has_been_up();
        let Some(peer) = self.peers.get(&id).filter(told) else { return };
        let mut wanted = PerLayer::default();
        for Chosen { take, wish, .. } in self.slots_of(&peer.routes).map(|slot| slot.chosen) {
            for layer in [take, wish].into_iter().flatten() {
                wanted[layer] = true;
            }
        }
        let now = self.now;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.encodings.want(now, wanted);
        if let Some(layers) = peer.encodings.take_news(now) {
            self.outputs.push_back(Output::Wanted { peer: id, layers });
        }
    }

    /// Returns the slots to which a video is forwarded.
    fn slots_of(&self, routes: &[Route]) -> impl Iterator<Item = &Slot> {
        let pictures = routes.iter().filter(|route| route.kind == MediaKind::Video);
        pictures.filter_map(|route| self.peers.get(&route.peer)?.slots.get(route.slot))
    }

    /// Returns the layers of a sender's video that are shown or about to be shown.
    pub(super) fn shown_layers(&self, peer: &Peer) -> PerLayer<bool> {
        let mut shown = PerLayer::default();
        for layer in self.slots_of(&peer.routes).filter_map(|slot| slot.selection.shown_or_awaited()) {
            shown[layer] = true;
        }
        shown
    }

    /// Counts a video packet and returns its layer, if known. When a layer starts to arrive, the layers of its
    /// receivers are recomputed.
    pub(super) fn layer_of(&mut self, id: PeerId, packet: &Packet<'_>) -> Option<Layer> {
        let now = self.now;
        let peer = self.peers.get_mut(&id)?;
        let layer = if peer.encodings.are_several() {
            let rid = packet.rid.as_ref().and_then(|rid| std::str::from_utf8(rid.as_bytes()).ok());
            Layer::of_rid(rid?)?
        } else {
            Layer::Full
        };
        let began = peer.encodings.note(now, layer, packet.payload.len());
        if began && peer.encodings.are_several() {
            let waits = |route: &&Route| {
                let slot = self.peers.get(&route.peer).and_then(|peer| peer.slots.get(route.slot));
                slot.is_some_and(|slot| slot.chosen.wish == Some(layer) && slot.chosen.take != Some(layer))
            };
            let routes = self.peers.get(&id)?.routes.iter().filter(|route| route.kind == MediaKind::Video);
            let waiting: Vec<PeerId> = routes.filter(waits).map(|route| route.peer).collect();
            for receiver in waiting {
                self.choose_layers(receiver);
            }
        }
        Some(layer)
    }

    /// Records a publisher's audio level, if their audio is forwarded (RFC 6464: voice flag and decibels below the
    /// maximum).
    pub(super) fn listen(&mut self, id: PeerId, audio_level: u8) {
        let Some(peer) = self.peers.get(&id) else { return };
        let is_heard = peer.routes.iter().any(|route| route.kind == MediaKind::Audio);
        let (room, user) = (peer.room, peer.user);
        let Some(place) = self.rooms.get_mut(&room).filter(|place| is_heard && place.is_company()) else { return };
        let before = place.speakers.floor();
        place.speakers.hear(self.now, user, -(audio_level & 0x7f).cast_signed());
        let news = place.speakers.look(self.now);
        let changed = place.speakers.floor() != before;
        if let Some(user) = news {
            self.outputs.push_back(Output::Speaking { room, user });
        }
        if changed {
            self.choose_all_layers(room);
        }
    }

    /// Removes the audio levels of users who left or are muted. With two participants there is no active speaker.
    pub(super) fn keep_voices(&mut self, room: VisitId) {
        let Some(place) = self.rooms.get_mut(&room) else { return };
        let company = place.is_company();
        let Room { members, speakers, .. } = place;
        let is_heard = |user: UserId| {
            let member = members.iter().find(|member| member.user == user);
            company && member.is_some_and(|member| member.forwarding.admitted && member.forwarding.microphone)
        };
        speakers.keep(is_heard);
        if let Some(user) = speakers.look(self.now) {
            self.outputs.push_back(Output::Speaking { room, user });
        }
    }
}
