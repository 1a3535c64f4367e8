//! One page's connection: a str0m `Rtc` that cannot take the rest down with it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bedside_visit::{Layer, UserId, VisitId};
use str0m::change::SdpOffer;
use str0m::config::DtlsCert;
use str0m::media::{KeyframeRequestKind, MediaKind, Mid, Rid};
use str0m::rtp::{ExtensionValues, RtpPacket, RtpWrite};
use str0m::{Event, Input, Output, Rtc};

use crate::codec::{Codecs, Encoding};
use crate::command::{IceCredentials, PeerId, Transport};
use crate::config::PacketPath;
use crate::downlink::{Bound, Downlink, Report, remb};
use crate::egress::{Egress, Path};
use crate::engine::{configured, credentials, host_candidate, is_media, path_of};
use crate::event::MediaClass;
use crate::forward::Rewriter;
use crate::keyframe::KeyframeRequests;
use crate::layers::{Choice, Chosen, Encodings, PerLayer, Selection};
use crate::offer::{Section, SectionDirection};
use crate::packet::Packet;
use crate::redundancy::Redundancy;
use crate::rtp::{self, ExtensionIds, KeySlot, Name, NewSession, Outbound, Outgoing, Session};
use crate::sender_clock::SenderClock;

/// How long a peer may take to come up, and to come back.
const PATIENCE: Duration = Duration::from_secs(30);
/// A browser sends a STUN check every two and a half seconds at least.
const SILENCE: Duration = Duration::from_secs(4);
/// A second of pictures to send again from; more costs memory, not quality.
const RESEND_PACKETS: usize = 200;
const RESEND_AGE: Duration = Duration::from_secs(2);
/// How much of what is sent may be sent again. At a fifth lost, calls are still held.
const RESEND_SHARE: f32 = 0.4;

/// A page that gets media reports on it several times a second. After such a silence what it missed is more
/// than can be sent again, and a browser waits three seconds before it says so.
const GAP: Duration = Duration::from_millis(600);

/// How often a connection that is up, and whose page is not heard on it yet, looks whether the older one is silent.
const LOOKS: Duration = Duration::from_millis(100);

/// str0m panicked: this peer is lost, the others are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// Where a peer is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Joined, never up yet.
    Coming { until: Instant },
    /// Media can flow.
    Up,
    /// Silent for a few seconds.
    Lost { until: Instant },
}

/// What happened to the life of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LifeEvent {
    Lost,
    TimedOut,
    NeverCame,
}

/// A receive slot of the page, bound to a person for good.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) name: String,
    pub(crate) kind: MediaKind,
    pub(crate) from: UserId,
    /// The publisher's connection while its media may flow here.
    pub(crate) source: Option<PeerId>,
    pub(crate) rewriter: Rewriter,
    /// Of a picture: which layer was chosen, and which is shown.
    pub(crate) chosen: Chosen,
    pub(crate) selection: Selection,
}

/// A receiver of this peer's media.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) peer: PeerId,
    pub(crate) slot: usize,
    pub(crate) kind: MediaKind,
}

/// What a step of str0m brought.
pub(crate) enum Step {
    Transmit(str0m::net::Transmit),
    /// str0m would send media or RTCP of its own there, which this connection sends without it.
    Nominated(Path),
    Packet(Box<RtpPacket>),
    Connected,
    KeyframeWanted(Mid),
    Reported(Report),
    Closed,
    Other,
    Idle,
}

pub(crate) struct Peer {
    pub(crate) room: VisitId,
    pub(crate) user: UserId,
    pub(crate) ufrag: String,
    pub(crate) fingerprint: String,
    pub(crate) sections: Vec<Section>,
    /// The streams the page says it sends; empty if it does not say.
    pub(crate) declared: Vec<u32>,
    /// Which stream each of the page's repair streams repairs, as far as the page says so.
    repairs: Vec<(u32, u32)>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) routes: Vec<Route>,
    pub(crate) codecs: Codecs,
    pub(crate) keyframes: PerLayer<KeyframeRequests>,
    /// What the page sends of its picture.
    pub(crate) encodings: Encodings,
    /// Which layers of the others' pictures it gets.
    pub(crate) choice: Choice,
    pub(crate) downlink: Downlink,
    pub(crate) redundancy: Redundancy,
    /// What this page is asked not to exceed.
    pub(crate) bound: Bound,
    pub(crate) life: Life,
    /// The source addresses that proved they belong here, the one proved last at the end.
    pub(crate) addresses: VecDeque<(Transport, SocketAddr)>,
    pub(crate) egress: Egress,
    /// The address on probation that is in the machine's table.
    pub(crate) probationer: Option<(Transport, SocketAddr)>,
    /// The stream and the extended number of the last authenticated RTP packet.
    pub(crate) last_packet: Option<(u32, u64)>,
    /// Whether the last datagram of media was authentic, of RTP or RTCP.
    pub(crate) authentic: bool,
    /// DTLS has completed here; whether it has at the page, the page has not shown. When to look again whether the
    /// older connection is of no use any more.
    pub(crate) unproved: Option<Instant>,
    /// Whether str0m has work that has not been polled.
    pub(crate) dirty: bool,
    /// The earliest entry of this peer in the schedule.
    pub(crate) scheduled: Option<Instant>,
    /// What media passes through instead of str0m, from when the connection is up.
    session: Option<Box<Session>>,
    /// Where the keys for that appear.
    keys: Option<KeySlot>,
    heard: Instant,
    rtc_deadline: Instant,
    camera: Option<Mid>,
    clock: SenderClock,
    rtc: Box<Rtc>,
    #[cfg(test)]
    pub(crate) panics_next: bool,
}

/// What a peer is made of.
pub(crate) struct NewPeer<'a> {
    pub(crate) room: VisitId,
    pub(crate) user: UserId,
    pub(crate) others: &'a [UserId],
    pub(crate) ice: &'a IceCredentials,
    pub(crate) fingerprint: String,
    pub(crate) sections: Vec<Section>,
    pub(crate) streams: Vec<u32>,
    pub(crate) repairs: Vec<(u32, u32)>,
    pub(crate) path: PacketPath,
    pub(crate) candidates: &'a [(Transport, SocketAddr)],
    pub(crate) certificate: DtlsCert,
}

impl Peer {
    /// Makes a peer and answers its offer.
    pub(crate) fn new(now: Instant, new: NewPeer<'_>, offer: SdpOffer) -> Option<(Self, String)> {
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut rtc = Box::new(configured(new.ice, new.certificate).build(now));
            let keys = rtp::take_slot().filter(|_| new.path == PacketPath::Short);
            for (transport, address) in new.candidates {
                rtc.add_local_candidate(host_candidate(*transport, *address)?);
            }
            let answer = rtc.sdp_api().accept_offer(offer).ok()?.to_sdp_string();
            for section in new.sections.iter().filter(|section| section.kind == MediaKind::Video) {
                // On the short way pictures are kept elsewhere.
                let kept = if keys.is_some() { 0 } else { RESEND_PACKETS };
                if let Some(stream) = rtc.direct_api().stream_tx_by_mid(section.mid.as_str().into(), None) {
                    stream.set_rtx_cache(kept, RESEND_AGE, Some(RESEND_SHARE));
                }
            }
            Some((rtc, keys, answer))
        }));
        let (rtc, keys, answer) = made.ok().flatten()?;

        let sending = |section: &&Section| section.direction == SectionDirection::SendOnly;
        let camera = new.sections.iter().filter(sending).find(|section| section.kind == MediaKind::Video);
        let mids: Vec<Mid> = new.sections.iter().map(|section| Mid::from(section.mid.as_str())).collect();
        let mut slots = Vec::new();
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let receiving = new
                .sections
                .iter()
                .filter(|section| section.kind == kind && section.direction == SectionDirection::RecvOnly);
            slots.extend(receiving.zip(new.others).map(|(section, from)| Slot {
                mid: Mid::from(section.mid.as_str()),
                name: section.mid.clone(),
                kind,
                from: *from,
                source: None,
                rewriter: Rewriter::default(),
                chosen: Chosen::default(),
                selection: Selection::default(),
            }));
        }
        let peer = Self {
            room: new.room,
            user: new.user,
            ufrag: new.ice.ufrag.clone(),
            fingerprint: new.fingerprint,
            slots,
            routes: Vec::new(),
            codecs: Codecs::negotiated(&rtc, &mids),
            keyframes: PerLayer::default(),
            encodings: Encodings::new(camera.map_or(&[], |section| &section.layers)),
            choice: Choice::default(),
            downlink: Downlink::default(),
            redundancy: Redundancy::default(),
            bound: Bound::default(),
            life: Life::Coming { until: now + PATIENCE },
            addresses: VecDeque::new(),
            egress: Egress::default(),
            probationer: None,
            last_packet: None,
            authentic: false,
            dirty: false,
            unproved: None,
            scheduled: None,
            heard: now,
            rtc_deadline: now,
            camera: camera.map(|section| Mid::from(section.mid.as_str())),
            sections: new.sections,
            declared: new.streams,
            repairs: new.repairs,
            session: None,
            keys,
            clock: SenderClock::default(),
            rtc,
            #[cfg(test)]
            panics_next: false,
        };
        Some((peer, answer))
    }

    /// Answers an offer on the same connection. Gives our old ICE user name fragment too if the offer
    /// restarted ICE, in which case our new credentials are those given.
    pub(crate) fn renegotiate(
        &mut self,
        offer: SdpOffer,
        ice: &IceCredentials,
    ) -> Result<Option<(String, Option<String>)>, Panicked> {
        self.call(|rtc| {
            let before = rtc.direct_api().local_ice_credentials();
            let answer = rtc.sdp_api().accept_offer(offer).ok()?.to_sdp_string();
            let drawn = rtc.direct_api().local_ice_credentials();
            if drawn == before {
                return Some((answer, None));
            }
            rtc.direct_api().set_local_ice_credentials(credentials(ice));
            Some((answer, Some(drawn.ufrag)))
        })
    }

    /// Every touch of str0m goes through here.
    fn call<R>(&mut self, work: impl FnOnce(&mut Rtc) -> R) -> Result<R, Panicked> {
        #[cfg(test)]
        let panics = std::mem::take(&mut self.panics_next);
        catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!panics, "planted by a test");
            work(&mut self.rtc)
        }))
        .map_err(|_| Panicked)
    }

    /// Every touch of the session goes through here. `None`: there is none.
    pub(crate) fn in_session<R>(&mut self, work: impl FnOnce(&mut Session) -> R) -> Result<Option<R>, Panicked> {
        let Some(session) = self.session.as_deref_mut() else { return Ok(None) };
        #[cfg(test)]
        let panics = std::mem::take(&mut self.panics_next);
        catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!panics, "planted by a test");
            Some(work(session))
        }))
        .map_err(|_| Panicked)
    }

    /// Takes a datagram from an address that has proved it belongs to this peer, or one to try. What
    /// str0m does not understand is dropped: datagrams can be forged.
    pub(crate) fn receive(&mut self, now: Instant, datagram: str0m::net::Receive<'_>) -> Result<(), Panicked> {
        self.call(|rtc| drop(rtc.handle_input(Input::Receive(now, datagram))))
    }

    /// Takes a STUN request from any address, if its integrity shows that the sender has our
    /// credentials. Says whether it did.
    pub(crate) fn receive_check(&mut self, now: Instant, datagram: str0m::net::Receive<'_>) -> Result<bool, Panicked> {
        let asks = self.session.is_some();
        let accepted = self.call(|rtc| {
            let input = Input::Receive(now, datagram);
            let accepted = rtc.accepts(&input);
            if accepted {
                drop(rtc.handle_input(input));
            }
            if accepted && asks {
                // What it would send says where: see `Step::Nominated`.
                rtc.direct_api().send_pli_feedback(1.into(), 1.into());
            }
            accepted
        })?;
        Ok(accepted)
    }

    /// The page has been heard. Says whether it had been silent so long that it has missed pictures.
    pub(crate) fn hear(&mut self, now: Instant) -> bool {
        let silent = self.silent_for(now);
        self.heard = now;
        silent >= GAP
    }

    /// Whether a packet of this stream may be shown to str0m, which binds a stream it does not know to a section before
    /// it has authenticated the packet: a forged one would put the page's own stream out.
    pub(crate) fn sends(&self, stream: u32) -> bool {
        // The streams of several layers no offer names; a session binds nothing that is not authentic.
        let learnt = self.session.is_some() && self.encodings.are_several();
        self.declared.is_empty() || self.declared.contains(&stream) || learnt
    }

    /// Whether a STUN check proved the address.
    pub(crate) fn has_proved(&self, from: (Transport, SocketAddr)) -> bool {
        self.addresses.contains(&from)
    }

    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), Panicked> {
        self.call(|rtc| drop(rtc.handle_input(Input::Timeout(now))))
    }

    /// Sends a packet through str0m.
    pub(crate) fn write(&mut self, slot: usize, outgoing: &Outgoing<'_>, kind: MediaKind) -> Result<(), Panicked> {
        let Some(mid) = self.slots.get(slot).map(|slot| slot.mid) else { return Ok(()) };
        self.dirty = true;
        let extensions = ExtensionValues {
            audio_level: outgoing.audio_level.map(|level| -(level & 0x7f).cast_signed()),
            voice_activity: outgoing.audio_level.map(|level| level & 0x80 != 0),
            ..ExtensionValues::default()
        };
        let (pt, sequence) = (outgoing.payload_type.into(), outgoing.sequence.into());
        let mut payload = Vec::with_capacity(outgoing.payload.len());
        outgoing.write_payload(&mut payload);
        let packet = RtpWrite::new(pt, sequence, outgoing.timestamp, outgoing.made, payload)
            .marker(outgoing.marker)
            .ext_vals(extensions)
            .nackable(kind == MediaKind::Video);
        self.call(|rtc| {
            if let Some(stream) = rtc.direct_api().stream_tx_by_mid(mid, None) {
                stream.write_rtp(packet);
            }
        })
    }

    /// One step of what str0m has to say.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<Step, Panicked> {
        let output = self.call(|rtc| match rtc.poll_output() {
            Ok(output) if rtc.is_alive() => Some(output),
            Ok(_) | Err(_) => None,
        })?;
        // str0m's events are many and grow with it: what is not named here does not matter here.
        #[expect(clippy::wildcard_enum_match_arm)]
        Ok(match output {
            None => Step::Closed,
            Some(Output::Transmit(transmit)) if self.session.is_some() && is_media(&transmit.contents) => {
                Step::Nominated(path_of(&transmit))
            }
            Some(Output::Transmit(transmit)) => Step::Transmit(transmit),
            Some(Output::Timeout(at)) => {
                self.dirty = at <= now;
                self.rtc_deadline = at;
                Step::Idle
            }
            Some(Output::Event(event)) => match event {
                Event::RtpPacket(packet) => Step::Packet(Box::new(packet)),
                Event::Connected => Step::Connected,
                Event::KeyframeRequest(request) => Step::KeyframeWanted(request.mid),
                Event::Closed => Step::Closed,
                Event::PeerStats(stats) => stats.rtt.map_or(Step::Other, |round_trip| {
                    // Behind a long queue nothing of the last second has been reported yet.
                    let loss = stats.egress_loss_fraction.unwrap_or(0.0);
                    Step::Reported(Report { round_trip, loss, sent: stats.peer_bytes_tx, delivered: None })
                }),
                _ => Step::Other,
            },
        })
    }

    /// Over which path to send what str0m wants sent; `None` if it may not be sent now.
    pub(crate) fn route(&mut self, now: Instant, transmit: &str0m::net::Transmit, class: MediaClass) -> Option<Path> {
        let path = path_of(transmit);
        // The answer to a STUN check goes where the check came from.
        let is_stun = transmit.contents.first().is_some_and(|first| *first < 4);
        if is_stun { Some(path) } else { self.egress.route(now, path, class, transmit.contents.len()) }
    }

    /// Says good-bye. What comes out of `poll` after that is to be sent still.
    pub(crate) fn close(&mut self) -> Result<(), Panicked> {
        self.call(|rtc| drop(rtc.close()))
    }

    /// Sends the keyframe requests to the page that are wanted and due. Says for how many layers one went out.
    pub(crate) fn request_keyframes(&mut self, now: Instant) -> Result<u64, Panicked> {
        let mut count = 0;
        for layer in Layer::ALL {
            if self.keyframes[layer].take_due(now) && self.request_keyframe(now, layer)? {
                count += 1;
            }
        }
        Ok(count)
    }

    fn request_keyframe(&mut self, now: Instant, layer: Layer) -> Result<bool, Panicked> {
        let layer = Some(layer).filter(|_| self.encodings.are_several());
        let asked = self.in_session(|session| {
            let pictures: Vec<u32> = session.pictures(now, layer).collect();
            pictures.iter().for_each(|ssrc| session.request_keyframe(*ssrc));
            !pictures.is_empty()
        })?;
        if let Some(asked) = asked {
            return Ok(asked);
        }
        let Some(camera) = self.camera else { return Ok(false) };
        self.dirty = true;
        let rid = layer.map(|layer| Rid::from(layer.rid()));
        self.call(|rtc| match rtc.direct_api().stream_rx_by_mid(camera, rid) {
            Some(stream) => {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            // Nothing has arrived yet; the first packet that cannot be decoded asks again.
            None => false,
        })
    }

    /// The layer that str0m takes a stream to be: packets name it only at first.
    pub(crate) fn rid_of(&mut self, ssrc: u32) -> Result<Option<Name>, Panicked> {
        self.call(|rtc| {
            let rid = rtc.direct_api().stream_rx(&ssrc.into())?.rid()?;
            Name::new(rid.as_bytes())
        })
    }

    /// How many pictures are sent to the page.
    pub(crate) fn pictures(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.kind == MediaKind::Video && slot.source.is_some()).count() as u64
    }

    /// Asks the page not to send more than its receivers can take, if that is due.
    pub(crate) fn send_bound(&mut self, now: Instant) -> Result<(), Panicked> {
        let Some(bits) = self.bound.take_due(now) else { return Ok(()) };
        let streams: Vec<u32> = self.egress.streams().collect();
        if self.in_session(|session| session.send_application(&remb(bits, &streams)))?.is_some() {
            return Ok(());
        }
        self.dirty = true;
        self.call(|rtc| rtc.direct_api().send_app_specific_feedback(1.into(), 0.into(), remb(bits, &streams)))
    }

    /// When the packet was made, on a clock that all media of this peer shares.
    pub(crate) fn wallclock(&mut self, packet: &Packet<'_>) -> Instant {
        self.clock.wallclock(packet)
    }

    /// Whether media takes the short way.
    pub(crate) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// From now on media passes str0m by, if the connection agreed on AES-GCM.
    pub(crate) fn start_session(&mut self, now: Instant) -> Result<(), Panicked> {
        let Some(keys) = self.keys.take().and_then(|slot| slot.get().cloned()) else { return Ok(()) };
        let slots: Vec<(Mid, MediaKind)> = self.slots.iter().map(|slot| (slot.mid, slot.kind)).collect();
        let sections: Vec<Mid> = self.sections.iter().map(|section| Mid::from(section.mid.as_str())).collect();
        let (codecs, repairs) = (self.codecs, self.repairs.clone());
        self.session = self.call(|rtc| {
            let media = sections.iter().filter_map(|mid| rtc.media(*mid));
            let maps: Vec<_> = media.map(|media| ExtensionIds::negotiated(media.remote_extmap())).collect();
            let cname = slots.first().and_then(|(mid, _)| rtc.media(*mid)).map(|media| media.cname().to_owned());
            let mut api = rtc.direct_api();
            let outbound: Option<Vec<Outbound>> = slots
                .iter()
                .map(|(mid, kind)| {
                    let stream = api.stream_tx_by_mid(*mid, None)?;
                    let repair = stream.rtx().zip(codecs.repair()).filter(|_| *kind == MediaKind::Video);
                    let repair = repair.map(|(ssrc, pt)| (*ssrc, *pt));
                    let clock_rate =
                        if *kind == MediaKind::Video { Encoding::Vp8 } else { Encoding::Opus }.clock_rate();
                    Some(Outbound::new(Name::new(mid.as_bytes()), *stream.ssrc(), repair, clock_rate))
                })
                .collect();
            let new = NewSession {
                ids: ExtensionIds::of_all(&maps),
                codecs,
                outbound: outbound?,
                repairs,
                cname: cname.unwrap_or_default(),
            };
            Session::new(now, &keys, new).map(Box::new)
        })?;
        Ok(())
    }

    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    pub(crate) fn deadline(&self, now: Instant) -> Instant {
        let life = match self.life {
            Life::Coming { until } | Life::Lost { until } => until,
            Life::Up => self.heard + SILENCE,
        };
        let keyframes = Layer::ALL.into_iter().filter_map(|layer| self.keyframes[layer].deadline(now));
        let keyframe = keyframes.min().unwrap_or(life);
        let session = self.session.as_ref().map(|session| session.deadline());
        let others = [self.egress.deadline(), self.bound.deadline(now), self.unproved, session];
        others.into_iter().flatten().fold(life.min(keyframe).min(self.rtc_deadline), Instant::min)
    }

    /// Lets time pass over the peer's life.
    pub(crate) fn age(&mut self, now: Instant) -> Option<LifeEvent> {
        self.egress.age(now);
        match self.life {
            Life::Coming { until } if until <= now => Some(LifeEvent::NeverCame),
            Life::Lost { until } if until <= now => Some(LifeEvent::TimedOut),
            Life::Up if self.heard + SILENCE <= now => {
                self.life = Life::Lost { until: self.heard + SILENCE + PATIENCE };
                Some(LifeEvent::Lost)
            }
            Life::Coming { .. } | Life::Lost { .. } | Life::Up => None,
        }
    }

    pub(crate) fn rtc_is_due(&self, now: Instant) -> bool {
        self.rtc_deadline <= now
    }

    /// The page has to show that DTLS has completed there too.
    pub(crate) fn must_prove_itself(&mut self, now: Instant) {
        self.unproved = Some(now + LOOKS);
    }

    /// Whether DTLS has completed, now or earlier.
    pub(crate) fn has_been_up(&self) -> bool {
        !matches!(self.life, Life::Coming { .. })
    }

    pub(crate) fn tracks(&self) -> Vec<(String, UserId)> {
        self.slots.iter().map(|slot| (slot.name.clone(), slot.from)).collect()
    }

    #[cfg(test)]
    pub(crate) fn dtls_version(&mut self) -> Option<str0m::crypto::dtls::ProtocolVersion> {
        self.rtc.direct_api().dtls_protocol_version()
    }
}
