//! One page's connection: a str0m `Rtc`, isolated so that a panic does not affect others.

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

/// Timeout for establishing a connection, and for recovering it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time without packets until a peer is lost. A browser sends a STUN check at least every 2.5 s.
const SILENCE: Duration = Duration::from_secs(4);
/// Retransmission buffer: one second of video. More costs memory and does not improve quality.
const RESEND_PACKETS: usize = 200;
const RESEND_AGE: Duration = Duration::from_secs(2);
/// Maximum share of retransmissions in the traffic sent. At 20 % packet loss, calls are still usable.
const RESEND_SHARE: f32 = 0.4;

/// A page that receives media sends several reports a second. After a gap this long, more was missed than can be
/// retransmitted, and a browser waits three seconds before requesting a keyframe.
const GAP: Duration = Duration::from_millis(600);

/// How often a new connection from which nothing has been received yet checks whether the older one is silent.
const LOOKS: Duration = Duration::from_millis(100);

/// str0m panicked. This peer is lost; others are unaffected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Panicked;

/// The state of a peer's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Joined, not established yet.
    Coming { until: Instant },
    /// Media can flow.
    Up,
    /// Silent for a few seconds.
    Lost { until: Instant },
}

/// A change of a peer's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LifeEvent {
    Lost,
    TimedOut,
    NeverCame,
}

/// A receive slot of the page, permanently assigned to a user.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) name: String,
    pub(crate) kind: MediaKind,
    pub(crate) from: UserId,
    /// The publisher's connection while its media may be forwarded here.
    pub(crate) source: Option<PeerId>,
    pub(crate) rewriter: Rewriter,
    /// For video: the chosen layer and the layer shown.
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

/// The result of a step of str0m.
pub(crate) enum Step {
    Transmit(str0m::net::Transmit),
    /// The path on which str0m would send its own media or RTCP. The session sends it instead.
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
    /// The streams the page declares; empty if it declares none.
    pub(crate) declared: Vec<u32>,
    /// The declared pairs of stream and retransmission stream.
    repairs: Vec<(u32, u32)>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) routes: Vec<Route>,
    pub(crate) codecs: Codecs,
    pub(crate) keyframes: PerLayer<KeyframeRequests>,
    /// The layers of the page's video.
    pub(crate) encodings: Encodings,
    /// The layers chosen of other participants' videos.
    pub(crate) choice: Choice,
    pub(crate) downlink: Downlink,
    pub(crate) redundancy: Redundancy,
    /// The bit rate limit for this page.
    pub(crate) bound: Bound,
    pub(crate) life: Life,
    /// Source addresses validated by STUN checks, most recent last.
    pub(crate) addresses: VecDeque<(Transport, SocketAddr)>,
    pub(crate) egress: Egress,
    /// The address on probation that is in the SFU's address table.
    pub(crate) probationer: Option<(Transport, SocketAddr)>,
    /// SSRC and extended sequence number of the last authenticated RTP packet.
    pub(crate) last_packet: Option<(u32, u64)>,
    /// Whether the last RTP or RTCP datagram was authentic.
    pub(crate) authentic: bool,
    /// Set while DTLS has completed on the server but the page has not yet sent anything on this connection. The time
    /// of the next check whether the older connection can be replaced.
    pub(crate) unproved: Option<Instant>,
    /// Whether str0m has work that has not been polled.
    pub(crate) dirty: bool,
    /// The earliest entry of this peer in the schedule.
    pub(crate) scheduled: Option<Instant>,
    /// Handles media instead of str0m once the connection is up.
    session: Option<Box<Session>>,
    /// Receives the SRTP keys for the session.
    keys: Option<KeySlot>,
    heard: Instant,
    rtc_deadline: Instant,
    camera: Option<Mid>,
    clock: SenderClock,
    rtc: Box<Rtc>,
    #[cfg(test)]
    pub(crate) panics_next: bool,
}

/// The parameters of a new peer.
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
    /// Creates a peer and answers its offer.
    pub(crate) fn new(now: Instant, new: NewPeer<'_>, offer: SdpOffer) -> Option<(Self, String)> {
        let made = catch_unwind(AssertUnwindSafe(|| {
            let mut rtc = Box::new(configured(new.ice, new.certificate).build(now));
            let keys = rtp::take_slot().filter(|_| new.path == PacketPath::Short);
            for (transport, address) in new.candidates {
                rtc.add_local_candidate(host_candidate(*transport, *address)?);
            }
            let answer = rtc.sdp_api().accept_offer(offer).ok()?.to_sdp_string();
            for section in new.sections.iter().filter(|section| section.kind == MediaKind::Video) {
                // On the fast path, the session keeps packets for retransmission.
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

    /// Answers an offer on the same connection. If the offer restarted ICE, also returns the server's old username
    /// fragment, and the new credentials are those given.
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

    /// All calls into str0m go through this function.
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

    /// All calls into the session go through this function. Returns `None` if there is no session.
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

    /// Processes a datagram from a validated address, or one that is being tried. Datagrams that str0m cannot process
    /// are dropped, because they may be forged.
    pub(crate) fn receive(&mut self, now: Instant, datagram: str0m::net::Receive<'_>) -> Result<(), Panicked> {
        self.call(|rtc| drop(rtc.handle_input(Input::Receive(now, datagram))))
    }

    /// Processes a STUN request from any address if its integrity shows that the sender has the credentials. Returns
    /// whether it did.
    pub(crate) fn receive_check(&mut self, now: Instant, datagram: str0m::net::Receive<'_>) -> Result<bool, Panicked> {
        let asks = self.session.is_some();
        let accepted = self.call(|rtc| {
            let input = Input::Receive(now, datagram);
            let accepted = rtc.accepts(&input);
            if accepted {
                drop(rtc.handle_input(input));
            }
            if accepted && asks {
                // Makes str0m send something, which reveals its path: see `Step::Nominated`.
                rtc.direct_api().send_pli_feedback(1.into(), 1.into());
            }
            accepted
        })?;
        Ok(accepted)
    }

    /// Records that something was received from the page. Returns whether it had been silent so long that video was
    /// lost.
    pub(crate) fn hear(&mut self, now: Instant) -> bool {
        let silent = self.silent_for(now);
        self.heard = now;
        silent >= GAP
    }

    /// Returns whether a packet of this stream may be passed to str0m. It binds an unknown stream to a section before
    /// authenticating the packet, so that a forged one would displace the page's own stream.
    pub(crate) fn sends(&self, stream: u32) -> bool {
        // Offers do not declare the streams of several layers. A session binds only authenticated streams.
        let learnt = self.session.is_some() && self.encodings.are_several();
        self.declared.is_empty() || self.declared.contains(&stream) || learnt
    }

    /// Returns whether a STUN check validated the address.
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

    /// Polls str0m once.
    pub(crate) fn poll(&mut self, now: Instant) -> Result<Step, Panicked> {
        let output = self.call(|rtc| match rtc.poll_output() {
            Ok(output) if rtc.is_alive() => Some(output),
            Ok(_) | Err(_) => None,
        })?;
        // str0m has many events, and new versions add more. Those not listed are irrelevant here.
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
                    // With a long queue, nothing of the last second may have been reported yet.
                    let loss = stats.egress_loss_fraction.unwrap_or(0.0);
                    Step::Reported(Report { round_trip, loss, sent: stats.peer_bytes_tx, delivered: None })
                }),
                _ => Step::Other,
            },
        })
    }

    /// Returns the path for a datagram from str0m, or `None` if it must not be sent now.
    pub(crate) fn route(&mut self, now: Instant, transmit: &str0m::net::Transmit, class: MediaClass) -> Option<Path> {
        let path = path_of(transmit);
        // The response to a STUN check goes to the address of the check.
        let is_stun = transmit.contents.first().is_some_and(|first| *first < 4);
        if is_stun { Some(path) } else { self.egress.route(now, path, class, transmit.contents.len()) }
    }

    /// Closes the connection. Output that `poll` returns afterwards must still be sent.
    pub(crate) fn close(&mut self) -> Result<(), Panicked> {
        self.call(|rtc| drop(rtc.close()))
    }

    /// Sends the keyframe requests that are due and returns the number of layers for which one was sent.
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
            // Nothing has been received yet. The first packet that cannot be decoded requests a keyframe again.
            None => false,
        })
    }

    /// Returns the layer that str0m assigned to a stream. Packets carry its name only at first.
    pub(crate) fn rid_of(&mut self, ssrc: u32) -> Result<Option<Name>, Panicked> {
        self.call(|rtc| {
            let rid = rtc.direct_api().stream_rx(&ssrc.into())?.rid()?;
            Name::new(rid.as_bytes())
        })
    }

    /// Returns the number of videos forwarded to the page.
    pub(crate) fn pictures(&self) -> u64 {
        self.slots.iter().filter(|slot| slot.kind == MediaKind::Video && slot.source.is_some()).count() as u64
    }

    /// Sends the bit rate limit to the page if it is due.
    pub(crate) fn send_bound(&mut self, now: Instant) -> Result<(), Panicked> {
        let Some(bits) = self.bound.take_due(now) else { return Ok(()) };
        let streams: Vec<u32> = self.egress.streams().collect();
        if self.in_session(|session| session.send_application(&remb(bits, &streams)))?.is_some() {
            return Ok(());
        }
        self.dirty = true;
        self.call(|rtc| rtc.direct_api().send_app_specific_feedback(1.into(), 0.into(), remb(bits, &streams)))
    }

    /// Returns when the packet was captured, on a clock shared by all media of this peer.
    pub(crate) fn wallclock(&mut self, packet: &Packet<'_>) -> Instant {
        self.clock.wallclock(packet)
    }

    /// Returns whether media uses the fast path.
    pub(crate) fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Switches media to the fast path if AES-GCM was negotiated.
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

    /// Updates the peer's state for the passing of time.
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

    /// Requires the page to show that DTLS has completed on its side as well.
    pub(crate) fn must_prove_itself(&mut self, now: Instant) {
        self.unproved = Some(now + LOOKS);
    }

    /// Returns whether DTLS has completed, now or earlier.
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
