//! Forwarding of media between participants.

use std::time::Duration;

use bedside_visit::{Layer, VisitId};
use str0m::media::{MediaKind, Mid};

use super::Sfu;
use crate::codec::Encoding;
use crate::command::PeerId;
use crate::downlink::Report;
use crate::event::{GoneReason, MediaClass, Output};
use crate::forward::{Incoming, Rewritten};
use crate::layers::Admission;
use crate::packet::Packet;
use crate::peer::{Life, Panicked, Route};
use crate::rtp::Outgoing;
use crate::vp8::Numbers;

/// A page that sends media sends every 20 ms. If nothing arrives for this long, it does not use this connection.
const UNHEARD: Duration = Duration::from_millis(300);

impl Sfu {
    pub(super) fn came_up(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.life = Life::Up;
        if peer.start_session(self.now).is_err() {
            return self.panicked(id);
        }
        let (room, user) = (peer.room, peer.user);
        let member = self.rooms.get(&room).and_then(|room| room.member(user));
        if member.is_some_and(|member| member.incoming == Some(id)) {
            return self.prove(id);
        }
        self.outputs.push_back(Output::Up { peer: id });
        self.connect_routes(room);
    }

    /// Switches to a newer connection once the page uses it as well. If the last DTLS flight was lost, that can be
    /// seconds after the server's side is up. Until something arrives on it, the older connection is kept as long as
    /// the page sends there. A moment of silence on both must not switch to a connection that the page has abandoned.
    pub(super) fn prove(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let live = self.rooms.get(&peer.room).and_then(|room| room.member(peer.user)).map(|member| member.live);
        let older = live.filter(|live| *live != id).and_then(|live| self.peers.get(&live));
        let own = peer.silent_for(self.now);
        let silent = |older: Duration| older >= UNHEARD && older > own;
        if older.is_none_or(|older| silent(older.silent_for(self.now))) {
            self.take_over(id);
        } else if let Some(peer) = self.peers.get_mut(&id) {
            peer.must_prove_itself(self.now);
            self.reschedule(id);
        }
    }

    /// Replaces the older connection by the newer one.
    pub(super) fn take_over(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.unproved = None;
        let (room, user) = (peer.room, peer.user);
        if let Some(member) = self.rooms.get_mut(&room).and_then(|room| room.member_mut(user))
            && member.incoming == Some(id)
        {
            member.incoming = None;
            let old = std::mem::replace(&mut member.live, id);
            self.ending.push((old, GoneReason::Replaced));
        }
        self.outputs.push_back(Output::Up { peer: id });
        self.connect_routes(room);
    }

    /// Recomputes the routes of a room. Cheap enough for every change in a room of nine.
    pub(super) fn connect_routes(&mut self, room: VisitId) {
        let Some(place) = self.rooms.get(&room) else { return };
        let mut routes: Vec<(PeerId, Route)> = Vec::new();
        let mut watched = Vec::new();
        for member in &place.members {
            let Some(peer) = self.peers.get_mut(&member.live) else { continue };
            let up = peer.has_been_up();
            for (number, slot) in peer.slots.iter_mut().enumerate() {
                let source = place.source(slot.from, member.user, slot.kind).filter(|_| up);
                if slot.source != source {
                    slot.rewriter.interrupt();
                    slot.selection.restart();
                    slot.source = source;
                    watched.extend(source.filter(|_| slot.kind == MediaKind::Video).map(|_| (member.live, number)));
                }
                let route = Route { peer: member.live, slot: number, kind: slot.kind };
                routes.extend(source.map(|source| (source, route)));
            }
        }
        for member in &place.members {
            for id in [Some(member.live), member.incoming].into_iter().flatten() {
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.routes.clear();
                    peer.routes.extend(routes.iter().filter(|(source, _)| *source == id).map(|(_, route)| *route));
                }
            }
        }
        self.bound_senders(room);
        self.keep_voices(room);
        self.choose_all_layers(room);
        for (receiver, slot) in watched {
            self.refresh_picture(receiver, slot);
        }
    }

    /// Processes a report about the path to a receiver.
    pub(super) fn way_reported(&mut self, id: PeerId, report: &Report) {
        self.tell_wanted(id);
        let Some(peer) = self.peers.get(&id) else { return };
        let (room, demand) = (peer.room, self.demand(peer));
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.statistics.note_report(report.round_trip, report.loss);
        peer.downlink.note_loss(self.now, report.loss);
        if demand.pictures == 0 {
            return;
        }
        let again = peer.downlink.read(self.now, report, demand);
        self.choose_layers(id);
        if again {
            self.refresh_pictures(id);
        }
        self.bound_senders(room);
    }

    /// Limits each sender of non-simulcast video to what its slowest receiver can take.
    fn bound_senders(&mut self, room: VisitId) {
        let Some(place) = self.rooms.get(&room) else { return };
        let senders: Vec<PeerId> = place.members.iter().map(|member| member.live).collect();
        for id in senders.into_iter().filter(|id| !self.is_layered(*id)).collect::<Vec<_>>() {
            let Some(sender) = self.peers.get(&id) else { continue };
            let receivers = sender.routes.iter().filter(|route| route.kind == MediaKind::Video);
            let shares = receivers.filter_map(|route| {
                let receiver = self.peers.get(&route.peer)?;
                receiver.downlink.share(receiver.pictures())
            });
            let least = shares.min();
            if let Some(sender) = self.peers.get_mut(&id) {
                sender.bound.want(least);
            }
            self.send_bound(id);
        }
    }

    pub(super) fn send_bound(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.send_bound(self.now) {
            Ok(()) => {
                self.push_dirty(id);
                self.post(id);
            }
            Err(Panicked) => self.ending.push((id, GoneReason::Failed)),
        }
    }

    /// Restarts all videos of a receiver that missed packets.
    pub(super) fn refresh_pictures(&mut self, id: PeerId) {
        let slots = self.peers.get(&id).map_or(0, |peer| peer.slots.len());
        for slot in 0..slots {
            self.refresh_picture(id, slot);
        }
    }

    /// Restarts one video of a receiver immediately.
    fn refresh_picture(&mut self, id: PeerId, slot: usize) {
        let Some(slot) = self.peers.get(&id).and_then(|peer| peer.slots.get(slot)) else { return };
        if let Some((source, layer)) = slot.source.zip(slot.selection.shown_or_awaited()) {
            self.want_keyframe_now(source, layer);
        }
    }

    /// Restarts a sender's video, of which its receivers missed packets.
    pub(super) fn restart_picture(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        for layer in self.shown_layers(peer).set() {
            self.want_keyframe_now(id, layer);
        }
    }

    fn want_keyframe_now(&mut self, source: PeerId, layer: Layer) {
        if let Some(peer) = self.peers.get_mut(&source) {
            peer.keyframes[layer].want_now();
            self.send_keyframe_request(source);
        }
    }

    pub(super) fn keyframe_wanted(&mut self, id: PeerId, is_it: impl Fn(usize, Mid) -> bool) {
        self.statistics.keyframe_requests_received += 1;
        let slots = self.peers.get(&id).map(|peer| peer.slots.iter().enumerate());
        let slot = slots.into_iter().flatten().find(|(at, slot)| is_it(*at, slot.mid)).map(|(_, slot)| slot);
        let wanted = slot.and_then(|slot| slot.source.zip(slot.selection.shown_or_awaited()));
        if let Some((source, layer)) = wanted {
            self.want_keyframe(source, layer);
        }
    }

    pub(super) fn want_keyframe(&mut self, source: PeerId, layer: Layer) {
        if let Some(peer) = self.peers.get_mut(&source) {
            peer.keyframes[layer].want();
            self.send_keyframe_request(source);
        }
    }

    pub(super) fn send_keyframe_request(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.request_keyframes(self.now) {
            Ok(count) if count > 0 => {
                self.statistics.keyframe_requests += count;
                self.push_dirty(id);
                self.post(id);
            }
            Ok(_) => self.reschedule(id),
            Err(Panicked) => self.panicked(id),
        }
    }

    /// Returns whether audio is lost on the way to any of these receivers.
    fn is_lossy(&self, routes: &[Route]) -> bool {
        let mut heard_by = routes.iter().filter(|route| route.kind == MediaKind::Audio);
        heard_by.any(|route| {
            self.peers.get(&route.peer).is_some_and(|receiver| receiver.downlink.wants_redundancy(self.now))
        })
    }

    pub(super) fn forward(&mut self, id: PeerId, packet: &Packet<'_>) {
        let encoding = packet.encoding;
        let layer = match encoding.kind() {
            MediaKind::Video => match self.layer_of(id, packet) {
                Some(layer) => layer,
                None => return,
            },
            MediaKind::Audio => {
                packet.audio_level.into_iter().for_each(|level| self.listen(id, level));
                Layer::Full
            }
        };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let made = peer.wallclock(packet);
        let codecs = peer.codecs;
        let routes = std::mem::take(&mut peer.routes);
        let numbers = Numbers::read(encoding, packet.payload);
        let incoming = Incoming {
            source: (id, packet.ssrc),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            arrived: packet.arrived,
            clock_rate: encoding.clock_rate(),
            can_start: encoding.kind() == MediaKind::Audio
                || numbers.is_some_and(|numbers| numbers.start_keyframe(packet.payload)),
            numbers,
        };
        let deep = if encoding == Encoding::Red && self.is_lossy(&routes) {
            let peer = self.peers.get_mut(&id);
            peer.and_then(|peer| peer.redundancy.deepen(packet.timestamp, packet.payload))
        } else {
            None
        };
        let mut undecodable = false;
        for route in routes.iter().filter(|route| route.kind == encoding.kind()) {
            let Some(receiver) = self.peers.get_mut(&route.peer) else { continue };
            if encoding.kind() == MediaKind::Video && receiver.downlink.is_without_pictures() {
                if let Some(slot) = receiver.slots.get_mut(route.slot) {
                    slot.rewriter.interrupt();
                    slot.selection.restart();
                }
                self.statistics.withheld_narrow += 1;
                continue;
            }
            let deep = deep.as_deref().filter(|_| receiver.downlink.wants_redundancy(self.now));
            let Some((pt, payload)) = codecs.translate(encoding, deep.unwrap_or(packet.payload), &receiver.codecs)
            else {
                continue;
            };
            let Some(slot) = receiver.slots.get_mut(route.slot) else { continue };
            if encoding.kind() == MediaKind::Video {
                match slot.selection.admit(layer, incoming.can_start) {
                    Admission::Pass => (),
                    Admission::Switch => slot.rewriter.interrupt(),
                    Admission::NeedsKeyframe => {
                        undecodable = true;
                        continue;
                    }
                    Admission::Skip => continue,
                }
            }
            let (sequence, timestamp, shift) = match slot.rewriter.rewrite(&incoming) {
                Rewritten::Forward { sequence, timestamp, shift } => (sequence, timestamp, shift),
                Rewritten::NeedsKeyframe => {
                    undecodable = true;
                    self.statistics.withheld_undecodable += 1;
                    continue;
                }
                Rewritten::Skip => continue,
            };
            self.statistics.forwarded_packets += 1;
            self.statistics.forwarded_bytes += payload.len() as u64;
            self.statistics.forwarded_layers[layer as usize] += u64::from(encoding.kind() == MediaKind::Video);
            let outgoing = Outgoing {
                payload_type: *pt,
                sequence,
                timestamp,
                marker: packet.marker,
                audio_level: packet.audio_level,
                made,
                payload: &payload,
                numbers: numbers.filter(|_| !shift.is_nothing()).map(|numbers| numbers.shifted(shift)),
            };
            self.send(route, &outgoing);
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.routes = routes;
        }
        if undecodable {
            self.want_keyframe(id, layer);
        }
    }

    /// Sends a packet to a receiver.
    fn send(&mut self, route: &Route, outgoing: &Outgoing<'_>) {
        let Some(receiver) = self.peers.get_mut(&route.peer) else { return };
        let class = if route.kind == MediaKind::Video { MediaClass::Video } else { MediaClass::Audio };
        let mut packet = self.buffers.pop().unwrap_or_default();
        match receiver.in_session(|session| session.send(self.now, route.slot, outgoing, &mut packet)) {
            Ok(Some(true)) => {
                let path = receiver.egress.take(class, packet.len());
                return self.transmit(class, path, packet);
            }
            Ok(Some(false)) => (),
            Ok(None) => {
                if !receiver.dirty {
                    self.dirty.push(route.peer);
                }
                if receiver.write(route.slot, outgoing, route.kind).is_err() {
                    self.panicked(route.peer);
                }
            }
            Err(Panicked) => self.panicked(route.peer),
        }
        self.recycle(packet);
    }
}
