//! The media of one connection once DTLS has completed: decrypts, encrypts, counts and reports on packets without
//! str0m, whose bookkeeping costs more than the rest of forwarding.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::arrivals::Arrivals;
use super::departures::Departures;
use super::header::{ExtensionIds, Extensions, Header, Name, unpadded};
use super::history::{History, Kept};
use super::inbound::{Inbound, SenderTime};
use super::keys::Keys;
use super::outbound::Outbound;
use super::rtcp::{self, Part};
use super::srtp::{Opener, Refused, Sealer};
use crate::codec::{Codecs, Encoding};
use crate::downlink::Report;
use crate::event::MediaClass;
use crate::packet::Packet;
use crate::vp8::Numbers;
use bedside_visit::Layer;
use str0m::media::MediaKind;

/// Approximate size of header, extensions and tag of a packet, in bytes.
const OVERHEAD: usize = 44;
/// Interval at which reports are considered.
const BEAT: Duration = Duration::from_millis(500);
/// Maximum number of streams of a page: audio, three video layers, their retransmissions, and those of a restarted
/// encoder.
const MOST_STREAMS: usize = 16;
/// A stream silent for this long may be replaced by a new one.
const SILENCE: Duration = Duration::from_secs(5);
/// Interval of receiver reports on audio, from which a page decides on more redundancy, and on video.
const SOUND_REPORTS: Duration = Duration::from_secs(2);

/// Feedback from a page about what it receives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Feedback {
    /// The video in this slot cannot be decoded.
    KeyframeWanted { slot: usize },
    /// Measurements of the path to the page.
    Reported(Report),
}

/// An authenticated datagram from the page.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    /// SSRC and extended sequence number; `None` for RTCP.
    pub(crate) stream: Option<(u32, u64)>,
    /// The media packet it contains, if any.
    pub(crate) packet: Option<Packet<'a>>,
}

/// A packet as sent to a receiver.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outgoing<'a> {
    pub(crate) payload_type: u8,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) audio_level: Option<u8>,
    /// Its capture time.
    pub(crate) made: Instant,
    pub(crate) payload: &'a [u8],
    /// New numbers for the VP8 payload descriptor, if they must be changed.
    pub(crate) numbers: Option<Numbers>,
}

impl Outgoing<'_> {
    /// Appends the payload as the receiver gets it.
    pub(crate) fn write_payload(&self, packet: &mut Vec<u8>) {
        let start = packet.len();
        packet.extend_from_slice(self.payload);
        if let Some(numbers) = self.numbers {
            numbers.write(&mut packet[start..]);
        }
    }
}

/// The parameters of a new session.
pub(crate) struct NewSession {
    pub(crate) ids: ExtensionIds,
    pub(crate) codecs: Codecs,
    /// One per slot, in order.
    pub(crate) outbound: Vec<Outbound>,
    /// Declared pairs of stream and retransmission stream (RFC 5576).
    pub(crate) repairs: Vec<(u32, u32)>,
    pub(crate) cname: String,
}

/// Counters since the last call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Retransmissions requested by the page.
    pub(crate) nacks_received: u64,
    /// Retransmissions requested from the page.
    pub(crate) nacks_sent: u64,
    /// Packets retransmitted.
    pub(crate) resent: u64,
}

#[derive(Debug)]
pub(crate) struct Session {
    opener: Opener,
    sealer: Sealer,
    ids: ExtensionIds,
    codecs: Codecs,
    inbound: Vec<(Inbound, Instant)>,
    outbound: Vec<Outbound>,
    repairs: Vec<(u32, u32)>,
    cname: String,
    /// An arbitrary time: zero of the clock in sender reports.
    epoch: Instant,
    arrivals: Arrivals,
    departures: Departures,
    history: History,
    sent_bytes: u64,
    beat: Instant,
    sound_reported: Instant,
    /// Encrypted datagrams to send, in order.
    outbox: VecDeque<(MediaClass, Vec<u8>)>,
    feedback: VecDeque<Feedback>,
    counts: Counts,
}

impl Session {
    /// Creates a session. Returns `None` if the cryptographic library rejects the keys.
    pub(crate) fn new(now: Instant, keys: &Keys, new: NewSession) -> Option<Self> {
        Some(Self {
            opener: Opener::new(&keys.theirs)?,
            sealer: Sealer::new(&keys.ours)?,
            ids: new.ids,
            codecs: new.codecs,
            inbound: Vec::new(),
            outbound: new.outbound,
            repairs: new.repairs,
            cname: new.cname,
            epoch: now,
            arrivals: Arrivals::default(),
            departures: Departures::default(),
            history: History::default(),
            sent_bytes: 0,
            beat: now + BEAT,
            sound_reported: now,
            outbox: VecDeque::new(),
            feedback: VecDeque::new(),
            counts: Counts::default(),
        })
    }

    /// Processes an RTP or RTCP datagram, and decrypts it into `plain`.
    pub(crate) fn receive<'a>(
        &mut self,
        now: Instant,
        datagram: &[u8],
        plain: &'a mut Vec<u8>,
    ) -> Result<Opened<'a>, Refused> {
        // RFC 5761, section 4.
        if datagram.get(1).is_some_and(|kind| matches!(kind & 0x7f, 64..=95)) {
            self.opener.open_rtcp(datagram, plain)?;
            self.read_rtcp(now, plain);
            return Ok(Opened { stream: None, packet: None });
        }
        let (header, length) = Header::read(datagram, &self.ids).ok_or(Refused)?;
        let encoding = self.codecs.encoding(header.payload_type.into());
        let repairs = self.codecs.is_repair(header.payload_type.into());
        let encoding = encoding.or(repairs.then_some(Encoding::Vp8)).ok_or(Refused)?;

        let place = self.inbound.iter().position(|(stream, _)| stream.ssrc == header.ssrc);
        let stream = place.map(|at| &self.inbound[at].0);
        let number = stream.map_or(u64::from(header.sequence), |stream| stream.window.extend(header.sequence));
        if stream.is_some_and(|stream| !stream.window.is_new(number)) {
            return Err(Refused);
        }
        self.opener.open_rtp(datagram, length, header.ssrc, number, plain)?;

        let place = match place {
            Some(place) => place,
            None => self.enrol(now, Inbound::new(header.ssrc, encoding.clock_rate(), repairs))?,
        };
        if let Some(number) = header.extensions.transport_cc {
            self.arrivals.note(now, number);
        }
        let (stream, heard) = &mut self.inbound[place];
        *heard = now;
        stream.note(now, number, header.timestamp, encoding.kind() == MediaKind::Video && !repairs);
        stream.rid = header.extensions.rid.or(header.extensions.repaired_rid).or(stream.rid);

        let opened = Some((header.ssrc, number));
        let payload = unpadded(plain, header.padded).unwrap_or_default();
        let (place, number, payload) = if repairs {
            let found = self.repaired(place, payload);
            let Some((place, number)) = found else { return Ok(Opened { stream: opened, packet: None }) };
            self.inbound[place].0.repaired(number);
            (place, number, payload.get(2..).unwrap_or_default())
        } else {
            (place, number, payload)
        };
        let stream = &self.inbound[place].0;
        let packet = (!payload.is_empty()).then_some(Packet {
            ssrc: stream.ssrc,
            rid: stream.rid,
            sequence: number,
            timestamp: header.timestamp,
            encoding,
            marker: header.marker,
            audio_level: header.extensions.audio_level,
            sender_time: stream.sender_time(),
            arrived: now,
            payload,
        });
        Ok(Opened { stream: opened, packet })
    }

    /// Adds a stream from which an authenticated packet has arrived.
    fn enrol(&mut self, now: Instant, stream: Inbound) -> Result<usize, Refused> {
        if self.inbound.len() >= MOST_STREAMS {
            let silent = |(_, heard): &(Inbound, Instant)| now.saturating_duration_since(*heard) >= SILENCE;
            let at = self.inbound.iter().position(silent).ok_or(Refused)?;
            self.inbound.swap_remove(at);
        }
        self.inbound.push((stream, now));
        Ok(self.inbound.len() - 1)
    }

    /// Returns the stream and packet that a retransmission recovers, if they are known and the packet is still missing
    /// (RFC 4588, section 4).
    fn repaired(&self, repair: usize, payload: &[u8]) -> Option<(usize, u64)> {
        let original = payload.first_chunk().map(|number| u16::from_be_bytes(*number))?;
        let repair = &self.inbound[repair].0;
        let declared = self.repairs.iter().find(|(_, by)| *by == repair.ssrc).map(|(ssrc, _)| *ssrc);
        let mut candidates = self.inbound.iter().enumerate().filter(|(_, (stream, _))| {
            let same_layer = stream.rid == repair.rid;
            !stream.repairs
                && stream.clock_rate == repair.clock_rate
                && declared.map_or(same_layer, |it| it == stream.ssrc)
        });
        let (at, (stream, _)) = candidates.next_back()?;
        let number = stream.window.extend(original);
        stream.window.is_new(number).then_some((at, number))
    }

    fn read_rtcp(&mut self, now: Instant, packet: &[u8]) {
        rtcp::read(packet, |part| match part {
            Part::SenderReport { ssrc, ntp, timestamp } => {
                if let Some((stream, _)) = self.inbound.iter_mut().find(|(stream, _)| stream.ssrc == ssrc) {
                    stream.note_report(now, SenderTime { ntp, timestamp });
                }
            }
            Part::Nack { ssrc, pairs } => rtcp::missed(pairs).for_each(|number| self.send_again(now, ssrc, number)),
            Part::KeyframeWanted { ssrc } => {
                if let Some(slot) = self.outbound.iter().position(|stream| stream.ssrc == ssrc) {
                    self.feedback.push_back(Feedback::KeyframeWanted { slot });
                }
            }
            Part::TransportFeedback { body } => self.departures.read(now, body),
        });
    }

    fn send_again(&mut self, now: Instant, ssrc: u32, number: u16) {
        self.counts.nacks_received += 1;
        let Some(stream) = self.outbound.iter_mut().find(|stream| stream.ssrc == ssrc) else { return };
        let Some((repair, payload_type)) = stream.repair else { return };
        let Some((kept, payload)) = self.history.take(ssrc, number) else { return };
        let sequence = stream.take_repair_number();
        let counted = self.ids.counts().then(|| self.departures.note(now, payload.len() + OVERHEAD));
        let header = Header {
            marker: kept.marker,
            payload_type,
            sequence: low16(sequence),
            timestamp: kept.timestamp,
            ssrc: repair,
            padded: false,
            extensions: Extensions { transport_cc: counted, mid: stream.mid, ..Extensions::default() },
        };
        let mut packet = Vec::with_capacity(payload.len() + 64);
        header.write(&self.ids, &mut packet);
        let length = packet.len();
        packet.extend_from_slice(&low16(kept.sequence).to_be_bytes());
        packet.extend_from_slice(payload);
        if self.sealer.seal_rtp(&mut packet, length, repair, sequence).is_ok() {
            self.counts.resent += 1;
            self.post(MediaClass::Video, packet);
        }
    }

    /// Writes an encrypted packet for a slot into an empty buffer. Returns whether there is something to send.
    pub(crate) fn send(&mut self, now: Instant, slot: usize, outgoing: &Outgoing<'_>, packet: &mut Vec<u8>) -> bool {
        let Some(stream) = self.outbound.get_mut(slot) else { return false };
        let extensions = Extensions {
            mid: stream.mid,
            transport_cc: self.ids.counts().then(|| self.departures.note(now, outgoing.payload.len() + OVERHEAD)),
            audio_level: outgoing.audio_level,
            ..Extensions::default()
        };
        let header = Header {
            marker: outgoing.marker,
            payload_type: outgoing.payload_type,
            sequence: low16(outgoing.sequence),
            timestamp: outgoing.timestamp,
            ssrc: stream.ssrc,
            padded: false,
            extensions,
        };
        header.write(&self.ids, packet);
        let length = packet.len();
        outgoing.write_payload(packet);
        stream.note(outgoing.timestamp, outgoing.made, outgoing.payload.len());
        if stream.repair.is_some() {
            let Outgoing { sequence, timestamp, marker, .. } = *outgoing;
            let kept = Kept { ssrc: stream.ssrc, sequence, timestamp, marker };
            self.history.keep(now, kept, &packet[length..]);
        }
        let sealed = self.sealer.seal_rtp(packet, length, stream.ssrc, outgoing.sequence).is_ok();
        self.sent_bytes += packet.len() as u64;
        sealed
    }

    /// Requests a keyframe of a stream from the page.
    pub(crate) fn request_keyframe(&mut self, ssrc: u32) {
        let mut packet = Vec::new();
        rtcp::write_pli(&mut packet, self.own_ssrc(), ssrc);
        self.post_rtcp(packet);
    }

    /// Returns the video streams received in the last seconds; only those of one layer if there are several.
    pub(crate) fn pictures(&self, now: Instant, layer: Option<Layer>) -> impl Iterator<Item = u32> {
        let rid = layer.and_then(|layer| Name::new(layer.rid().as_bytes()));
        let heard = move |heard: Instant| now.saturating_duration_since(heard) < SILENCE;
        let streams = self.inbound.iter().filter(move |(_, at)| heard(*at));
        streams
            .map(|(stream, _)| stream)
            .filter(move |stream| {
                stream.clock_rate == 90_000 && !stream.repairs && (rid.is_none() || stream.rid == rid)
            })
            .map(|stream| stream.ssrc)
    }

    /// Sends application layer feedback such as REMB to the page.
    pub(crate) fn send_application(&mut self, body: &[u8]) {
        let mut packet = Vec::new();
        rtcp::write_application(&mut packet, self.own_ssrc(), body);
        self.post_rtcp(packet);
    }

    /// Returns when to call `tick`.
    pub(crate) fn deadline(&self) -> Instant {
        let missing = self.inbound.iter().filter_map(|(stream, _)| stream.missing.deadline());
        missing.chain(self.arrivals.deadline()).fold(self.beat, Instant::min)
    }

    /// Writes the reports and requests that are due.
    pub(crate) fn tick(&mut self, now: Instant) {
        let own = self.own_ssrc();
        let mut packet = Vec::new();
        let is_beat = self.beat <= now;
        if is_beat {
            self.beat = now + BEAT;
            self.outbound
                .iter_mut()
                .for_each(|stream| stream.write_due_report(now, self.epoch, &self.cname, &mut packet));
            self.write_receptions(now, &mut packet);
            if let Some(round_trip) = self.departures.round_trip() {
                // With a long queue, nothing of the last second may have been reported yet.
                let loss = self.departures.loss(now).unwrap_or(0.0);
                let delivered = Some(self.departures.delivered());
                self.feedback.push_back(Feedback::Reported(Report {
                    round_trip,
                    loss,
                    sent: self.sent_bytes,
                    delivered,
                }));
            }
        }
        let round_trip = self.departures.round_trip();
        for (stream, _) in &mut self.inbound {
            if stream.missing.deadline().is_some_and(|at| at <= now) {
                let numbers = stream.missing.take_due(now, round_trip);
                if !numbers.is_empty() {
                    self.counts.nacks_sent += numbers.len() as u64;
                    rtcp::write_nack(&mut packet, own, stream.ssrc, &numbers);
                }
            }
        }
        let about = self.inbound.first().map_or(0, |(stream, _)| stream.ssrc);
        while let Some(body) = self.arrivals.take_due(now) {
            if packet.len() + body.len() > 1000 {
                self.post_rtcp(std::mem::take(&mut packet));
            }
            rtcp::write_transport_feedback(&mut packet, own, about, &body);
        }
        if !packet.is_empty() {
            self.post_rtcp(packet);
        }
    }

    fn write_receptions(&mut self, now: Instant, packet: &mut Vec<u8>) {
        let sound = now.saturating_duration_since(self.sound_reported) >= SOUND_REPORTS;
        if sound {
            self.sound_reported = now;
        }
        let due = self.inbound.iter_mut().filter(|(stream, heard)| {
            let is_sound = stream.clock_rate == 48_000;
            (sound || !is_sound) && now.saturating_duration_since(*heard) < SILENCE
        });
        let receptions: Vec<_> = due.filter_map(|(stream, _)| stream.take_reception(now)).collect();
        if !receptions.is_empty() {
            rtcp::write_receiver_report(packet, self.outbound.first().map_or(1, |stream| stream.ssrc), &receptions);
        }
    }

    /// Returns the next encrypted datagram to send.
    pub(crate) fn take_datagram(&mut self) -> Option<(MediaClass, Vec<u8>)> {
        self.outbox.pop_front()
    }

    /// Returns and resets the counters.
    pub(crate) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Returns the next feedback from the page.
    pub(crate) fn take_feedback(&mut self) -> Option<Feedback> {
        self.feedback.pop_front()
    }

    fn own_ssrc(&self) -> u32 {
        self.outbound.first().map_or(1, |stream| stream.ssrc)
    }

    fn post_rtcp(&mut self, mut packet: Vec<u8>) {
        if self.sealer.seal_rtcp(&mut packet).is_ok() {
            self.post(MediaClass::Control, packet);
        }
    }

    fn post(&mut self, class: MediaClass, packet: Vec<u8>) {
        self.sent_bytes += packet.len() as u64;
        self.outbox.push_back((class, packet));
    }
}

fn low16(number: u64) -> u16 {
    let [.., high, low] = number.to_be_bytes();
    u16::from_be_bytes([high, low])
}
