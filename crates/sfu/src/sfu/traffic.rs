//! Incoming and outgoing datagrams, and timeouts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::net::Receive;

use super::Sfu;
use crate::command::{PeerId, Transport};
use crate::demux::{Packet, classify};
use crate::egress::Path;
use crate::engine::{packet_of, protocol};
use crate::event::{GoneReason, MediaClass, Output, Transmit};
use crate::peer::{Life, LifeEvent, Panicked, Peer, Step};
use crate::rtp::{Feedback, Name, Opened, Refused, Session};

/// An address whose peer was active within this time is not assigned to another peer.
const ADDRESS_IN_USE: Duration = Duration::from_secs(4);

impl Sfu {
    pub(super) fn datagram(
        &mut self,
        transport: Transport,
        source: SocketAddr,
        destination: SocketAddr,
        contents: &[u8],
    ) {
        let from = (transport, source);
        let path = Path { transport, local: destination, remote: source };
        let known = self.by_address.get(&from).copied();
        let receive = || Receive::new(protocol(transport), source, destination, contents);
        match classify(contents) {
            Some(Packet::BindingRequest { ufrag, nominates }) => {
                let Some(id) = self.by_ufrag.get(ufrag).copied() else {
                    self.statistics.dropped_unknown_source += 1;
                    return;
                };
                match std::panic::catch_unwind(receive) {
                    Ok(Ok(datagram)) => self.binding_request(id, path, nominates, datagram),
                    Ok(Err(_)) | Err(_) => self.statistics.dropped_malformed += 1,
                }
            }
            Some(Packet::Dtls) => match (known.filter(|id| self.has_proved(*id, from)), receive()) {
                (Some(id), Ok(datagram)) => {
                    self.feed(id, datagram);
                    // Afterwards the page has no reason to send DTLS, and unauthenticated records can be forged.
                    if let Some(peer) = self.peers.get_mut(&id).filter(|peer| !peer.has_been_up()) {
                        peer.egress.answered(path);
                    }
                }
                (Some(_), Err(_)) => self.statistics.dropped_malformed += 1,
                (None, _) => self.statistics.dropped_unknown_source += 1,
            },
            Some(Packet::Rtp { stream }) => match known {
                Some(id) => self.media(id, path, stream, contents),
                None => self.strange_media(path, stream, contents),
            },
            // Responses to checks that the server never sends, and indications, which prove nothing.
            Some(Packet::OtherStun) => (),
            None => self.statistics.dropped_malformed += 1,
        }
    }

    fn has_proved(&self, id: PeerId, from: (Transport, SocketAddr)) -> bool {
        self.peers.get(&id).is_some_and(|peer| peer.has_proved(from))
    }

    /// Adds an address to the address table. Only a STUN check with the password can do so permanently (ASVS 17.2.6).
    fn binding_request(&mut self, id: PeerId, path: Path, nominates: bool, datagram: Receive<'_>) {
        let from = (path.transport, path.remote);
        let other = self.by_address.get(&from).filter(|other| **other != id && self.has_proved(**other, from));
        let in_use = other
            .and_then(|other| self.peers.get(other))
            .is_some_and(|other| other.silent_for(self.now) < ADDRESS_IN_USE);
        let Some(peer) = self.peers.get_mut(&id).filter(|_| !in_use) else {
            self.statistics.dropped_unknown_source += 1;
            return;
        };
        match peer.receive_check(self.now, datagram) {
            Ok(true) => {
                peer.egress.checked(self.now, path, nominates);
                self.enrol(id, from);
                self.keep_probationer(id);
                self.heard(id);
                self.drain(id);
            }
            Ok(false) => self.statistics.dropped_unknown_source += 1,
            Err(Panicked) => self.panicked(id),
        }
    }

    fn enrol(&mut self, id: PeerId, from: (Transport, SocketAddr)) {
        let previous = self.by_address.insert(from, id).filter(|previous| *previous != id);
        if let Some(previous) = previous.and_then(|previous| self.peers.get_mut(&previous)) {
            previous.addresses.retain(|address| *address != from);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.addresses.back() == Some(&from) {
            return;
        }
        peer.addresses.retain(|address| *address != from);
        peer.addresses.push_back(from);
        if peer.addresses.len() > self.config.limits.addresses_per_peer
            && let Some(oldest) = peer.addresses.pop_front()
        {
            self.by_address.remove(&oldest);
        }
    }

    /// Processes RTP or RTCP from an address that belongs to a peer or is on probation.
    fn media(&mut self, id: PeerId, path: Path, stream: Option<(u32, u16)>, contents: &[u8]) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if stream.is_some_and(|(ssrc, _)| !peer.sends(ssrc)) {
            self.statistics.dropped_unknown_source += 1;
            return;
        }
        peer.egress.heard(self.now, path, contents.len());
        peer.last_packet = None;
        // str0m does not report whether RTCP was authentic.
        peer.authentic = !peer.has_session() && stream.is_none();
        if peer.has_session() {
            self.open(id, contents);
        } else {
            match Receive::new(protocol(path.transport), path.remote, path.local, contents) {
                Ok(datagram) => self.feed(id, datagram),
                Err(_) => self.statistics.dropped_malformed += 1,
            }
        }
        let authentic = |peer: &&mut Peer| peer.authentic || peer.last_packet.is_some();
        if let Some(peer) = self.peers.get_mut(&id).filter(authentic)
            && peer.has_proved((path.transport, path.remote))
        {
            peer.egress.answered(path);
        }
        self.follow(id, path);
    }

    /// Processes RTP from an unknown address: a NAT rebinding may have changed the page's address.
    fn strange_media(&mut self, path: Path, stream: Option<(u32, u16)>, contents: &[u8]) {
        let id = stream.and_then(|(ssrc, _)| self.by_stream.get(&ssrc)).copied();
        let found = id.and_then(|id| Some((id, stream?, self.peers.get_mut(&id)?)));
        let Some((id, (ssrc, number), peer)) = found.filter(|(_, _, peer)| peer.has_been_up()) else {
            self.statistics.dropped_unknown_source += 1;
            return;
        };
        if !peer.egress.may_try(self.now, path) {
            self.statistics.dropped_unknown_source += 1;
            return;
        }
        // Drains str0m's output first, so that results for earlier packets are not attributed to this one.
        self.drain(id);
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.last_packet = None;
        if peer.has_session() {
            self.open(id, contents);
        } else if let Ok(datagram) = Receive::new(protocol(path.transport), path.remote, path.local, contents) {
            if peer.receive(self.now, datagram).is_err() {
                return self.panicked(id);
            }
            self.drain(id);
        }
        let authentic = |(last, sequence): (u32, u64)| last == ssrc && sequence & 0xffff == u64::from(number);
        if !self.peers.get(&id).and_then(|peer| peer.last_packet).is_some_and(authentic) {
            self.statistics.dropped_unknown_source += 1;
            return;
        }
        self.follow(id, path);
        self.heard(id);
    }

    /// Returns the layer of a stream received through str0m.
    fn rid_of(&mut self, id: PeerId, ssrc: u32) -> Option<Name> {
        let peer = self.peers.get_mut(&id).filter(|peer| peer.encodings.are_several())?;
        peer.rid_of(ssrc).unwrap_or_else(|Panicked| {
            self.panicked(id);
            None
        })
    }

    /// Processes a media datagram on the fast path.
    fn open(&mut self, id: PeerId, contents: &[u8]) {
        let mut plain = std::mem::take(&mut self.plain);
        match self.in_session(id, |session, now| session.receive(now, contents, &mut plain)) {
            Some(Ok(opened)) => self.opened(id, &opened),
            Some(Err(Refused)) => self.statistics.dropped_refused += 1,
            None => (),
        }
        self.plain = plain;
    }

    fn opened(&mut self, id: PeerId, opened: &Opened<'_>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.last_packet = opened.stream;
        peer.authentic = true;
        let proves = opened.stream.is_some() && peer.unproved.is_some();
        self.heard(id);
        if proves {
            self.take_over(id);
        }
        if let Some(packet) = &opened.packet {
            self.forward(id, packet);
        }
        self.post(id);
    }

    /// Sends what the peer's session has written, and processes the page's feedback.
    pub(super) fn post(&mut self, id: PeerId) {
        if let Some(counts) = self.in_session(id, |session, _| session.take_counts()) {
            self.statistics.nacks_received += counts.nacks_received;
            self.statistics.nacks_sent += counts.nacks_sent;
            self.statistics.resent_packets += counts.resent;
        }
        while let Some(feedback) = self.in_session(id, |session, _| session.take_feedback()).flatten() {
            match feedback {
                Feedback::KeyframeWanted { slot } => self.keyframe_wanted(id, |at, _| at == slot),
                Feedback::Reported(report) => self.way_reported(id, &report),
            }
        }
        while let Some((class, packet)) = self.in_session(id, |session, _| session.take_datagram()).flatten() {
            let Some(peer) = self.peers.get_mut(&id) else { return };
            let path = peer.egress.take(class, packet.len());
            self.transmit(class, path, packet);
        }
        self.reschedule(id);
    }

    fn in_session<R>(&mut self, id: PeerId, work: impl FnOnce(&mut Session, Instant) -> R) -> Option<R> {
        let now = self.now;
        match self.peers.get_mut(&id)?.in_session(|session| work(session, now)) {
            Ok(result) => result,
            Err(Panicked) => {
                self.panicked(id);
                None
            }
        }
    }

    fn feed(&mut self, id: PeerId, datagram: Receive<'_>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match peer.receive(self.now, datagram) {
            Ok(()) => {
                self.heard(id);
                self.drain(id);
            }
            Err(Panicked) => self.panicked(id),
        }
    }

    /// Lets the path selection follow the packet just authenticated, if any.
    fn follow(&mut self, id: PeerId, path: Path) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some((ssrc, sequence)) = peer.last_packet.take() else { return };
        let from = (path.transport, path.remote);
        let proved = peer.has_proved(from);
        let before = peer.egress.on_probation();
        peer.egress.authenticated(self.now, path, ssrc, sequence, proved);
        if peer.egress.on_probation().is_some_and(|path| before != Some(path)) {
            self.statistics.moves += 1;
        }
        if peer.egress.streams().any(|stream| stream == ssrc) {
            self.by_stream.entry(ssrc).or_insert(id);
        }
        self.keep_probationer(id);
    }

    /// Adds the address on probation to the address table, and removes a previous one.
    fn keep_probationer(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let now = peer.egress.on_probation().map(|path| (path.transport, path.remote));
        if peer.probationer == now {
            return;
        }
        let before = std::mem::replace(&mut peer.probationer, now);
        if let Some(before) = before.filter(|before| !peer.has_proved(*before)) {
            self.by_address.remove(&before);
        }
        if let Some(now) = now {
            self.by_address.insert(now, id);
        }
        self.reschedule(id);
    }

    /// Marks a lost peer as up when something arrives. After a gap, videos restart in both directions.
    fn heard(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let missed = peer.hear(self.now);
        let lost = matches!(peer.life, Life::Lost { .. });
        if lost {
            peer.life = Life::Up;
            self.outputs.push_back(Output::Up { peer: id });
        }
        if lost || missed {
            self.refresh_pictures(id);
            self.restart_picture(id);
        }
    }

    pub(super) fn timeout(&mut self) {
        while let Some((at, id)) = self.schedule.pop_due(self.now) {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.scheduled != Some(at) {
                continue;
            }
            peer.scheduled = None;
            match peer.age(self.now) {
                Some(LifeEvent::Lost) => self.outputs.push_back(Output::Lost { peer: id }),
                Some(LifeEvent::TimedOut) => self.ending.push((id, GoneReason::TimedOut)),
                Some(LifeEvent::NeverCame) => self.ending.push((id, GoneReason::NeverCame)),
                None => (),
            }
            if self.peers.get(&id).is_some_and(|peer| peer.unproved.is_some_and(|at| at <= self.now)) {
                self.prove(id);
            }
            self.keep_probationer(id);
            self.send_keyframe_request(id);
            self.send_bound(id);
            self.advance(id);
        }
    }

    /// Lets str0m and the session handle timeouts, and reschedules the peer.
    fn advance(&mut self, id: PeerId) {
        let ticks = |session: &mut Session, now| {
            session.deadline() <= now && {
                session.tick(now);
                true
            }
        };
        if self.in_session(id, ticks) == Some(true) {
            self.post(id);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.dirty || peer.rtc_is_due(self.now) {
            match peer.advance(self.now) {
                Ok(()) => self.drain(id),
                Err(Panicked) => self.panicked(id),
            }
        } else {
            self.reschedule(id);
        }
    }

    /// Polls the peers that were written to since the last call.
    pub(super) fn flush(&mut self) {
        while let Some(id) = self.dirty.pop() {
            self.advance(id);
        }
        self.end_peers();
    }

    /// Polls all output from str0m.
    pub(super) fn drain(&mut self, id: PeerId) {
        // Some steps make str0m ask to be called again immediately. The bound prevents an endless loop in case of a
        // defect.
        for _ in 0..4 {
            loop {
                let Some(peer) = self.peers.get_mut(&id) else { return };
                match peer.poll(self.now) {
                    Ok(Step::Transmit(transmit)) => {
                        let class = peer.codecs.class(&transmit.contents);
                        let path = peer.route(self.now, &transmit, class);
                        self.transmit(class, path, transmit.contents.into());
                    }
                    Ok(Step::Packet(packet)) => {
                        peer.last_packet = Some((*packet.header.ssrc, *packet.seq_no));
                        let encoding = peer.codecs.encoding(packet.header.payload_type);
                        if peer.unproved.is_some() {
                            self.take_over(id);
                        }
                        if let Some(encoding) = encoding.filter(|_| !packet.payload.is_empty()) {
                            let rid = self.rid_of(id, *packet.header.ssrc);
                            self.forward(id, &packet_of(&packet, encoding, rid));
                        }
                    }
                    Ok(Step::Connected) => self.came_up(id),
                    Ok(Step::Nominated(path)) => peer.egress.nominate(self.now, path),
                    Ok(Step::KeyframeWanted(mid)) => self.keyframe_wanted(id, |_, it| it == mid),
                    Ok(Step::Reported(report)) => self.way_reported(id, &report),
                    Ok(Step::Other) => (),
                    Ok(Step::Idle) => break,
                    Ok(Step::Closed) => {
                        let never = !peer.has_been_up();
                        self.ending.push((id, if never { GoneReason::Failed } else { GoneReason::Closed }));
                        return;
                    }
                    Err(Panicked) => return self.panicked(id),
                }
            }
            let Some(peer) = self.peers.get_mut(&id) else { return };
            if !peer.rtc_is_due(self.now) {
                break;
            }
            if peer.advance(self.now).is_err() {
                return self.panicked(id);
            }
        }
        self.reschedule(id);
    }

    pub(super) fn reschedule(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        // Work that is due now has been tried now, so the next try is at least a millisecond later.
        let at = peer.deadline(self.now).max(self.now + Duration::from_millis(1));
        if peer.scheduled.is_none_or(|scheduled| at < scheduled) {
            peer.scheduled = Some(at);
            self.schedule.push(at, id);
        }
    }

    /// Queues a datagram. Without a path it must not be sent now.
    pub(super) fn transmit(&mut self, class: MediaClass, path: Option<Path>, contents: Vec<u8>) {
        let bound = self.config.limits.queued_outputs;
        let queued = self.outputs.len();
        let full = match class {
            MediaClass::Control => false,
            MediaClass::Audio => queued >= 2 * bound,
            MediaClass::Video => queued >= bound,
        };
        let Some(path) = path.filter(|_| !full && queued < 4 * bound) else {
            self.statistics.dropped_full += 1;
            return self.recycle(contents);
        };
        self.statistics.sent_packets += 1;
        self.statistics.sent_bytes += contents.len() as u64;
        let Path { transport, local, remote } = path;
        self.outputs.push_back(Output::Transmit(Transmit {
            transport,
            source: local,
            destination: remote,
            class,
            contents,
        }));
    }
}
