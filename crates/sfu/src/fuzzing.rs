//! A page that sends authenticated but malformed packets, for the fuzz target `session`.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use str0m::rtp::ExtensionMap;

use crate::codec::{Codecs, Encoding};
use crate::demux::MAX_DATAGRAM;
use crate::event::MediaClass;
use crate::redundancy::Redundancy;
use crate::rtp::{
    ExtensionIds, Feedback, Header, Keys, Name, NewSession, Opener, Outbound, Outgoing, Profile, Sealer, Session,
    Window,
};
use crate::vp8::Numbers;

/// Maximum overhead of a retransmitted RTP packet over its payload, in bytes.
const OVERHEAD: u64 = 64;

/// A connection on the fast path, and the page at its other end.
pub struct HostilePage {
    session: Session,
    sealer: Sealer,
    opener: Opener,
    ids: ExtensionIds,
    codecs: Codecs,
    /// The payload types of other pages in the room.
    others: [Codecs; 2],
    redundancy: Redundancy,
    /// The sequence numbers per stream that the server has seen.
    seen: HashMap<u32, Window>,
    now: Instant,
    plain: Vec<u8>,
    given: u64,
    given_bytes: u64,
    resent: u64,
    resent_bytes: u64,
}

impl fmt::Debug for HostilePage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostilePage").finish_non_exhaustive()
    }
}

impl HostilePage {
    /// Creates a page whose connection has just come up. Returns `None` if the cryptographic library fails.
    #[must_use]
    pub fn new(now: Instant) -> Option<Self> {
        let material: Vec<u8> = (0..56).collect();
        let server = Keys::cut(Profile::Aes128Gcm, &material, false)?;
        let page = Keys::cut(Profile::Aes128Gcm, &material, true)?;
        let ids = ExtensionIds::negotiated(&ExtensionMap::standard());
        let codecs = Codecs::of(111, Some(63), 96, Some(97));
        let outbound = vec![
            Outbound::new(Name::new(b"2"), 1, None, Encoding::Opus.clock_rate()),
            Outbound::new(Name::new(b"3"), 2, Some((3, 97)), Encoding::Vp8.clock_rate()),
        ];
        let repairs = vec![(10, 11)];
        let new = NewSession { ids, codecs, outbound, repairs, cname: "server".to_owned() };
        Some(Self {
            session: Session::new(now, &server, new)?,
            sealer: Sealer::new(&page.ours)?,
            opener: Opener::new(&page.theirs)?,
            ids,
            codecs,
            others: [Codecs::of(109, Some(64), 120, None), Codecs::of(111, None, 96, Some(97))],
            redundancy: Redundancy::default(),
            seen: HashMap::new(),
            now,
            plain: Vec::new(),
            given: 0,
            given_bytes: 0,
            resent: 0,
            resent_bytes: 0,
        })
    }

    /// Sends an authenticated RTP packet with arbitrary contents.
    ///
    /// # Panics
    ///
    /// If an invariant is violated, as in all following methods.
    pub fn send_rtp(&mut self, packet: &[u8]) {
        let mut packet = packet.to_vec();
        let mut stream = None;
        if let Some((header, length)) = Header::read(&packet, &self.ids) {
            let number = self.seen.entry(header.ssrc).or_default().extend(header.sequence);
            let sealed = self.sealer.seal_rtp(&mut packet, length, header.ssrc, number);
            stream = sealed.ok().map(|()| (header.ssrc, number));
        }
        let mut plain = std::mem::take(&mut self.plain);
        match self.session.receive(self.now, &packet, &mut plain) {
            Ok(opened) => {
                let (ssrc, number) = opened.stream.or(stream).expect("an RTP packet has a stream");
                self.seen.entry(ssrc).or_default().note(number);
                if let Some(packet) = opened.packet {
                    self.redundancy.deepen(packet.timestamp, packet.payload);
                    self.translate(packet.encoding, packet.payload);
                }
            }
            // A replay, an unknown payload type, or a stream that has been dropped in the meantime.
            Err(_) => drop(stream.and_then(|(ssrc, _)| self.seen.remove(&ssrc))),
        }
        self.plain = plain;
        self.settle();
    }

    fn translate(&self, encoding: Encoding, payload: &[u8]) {
        for other in &self.others {
            let _ = self.codecs.translate(encoding, payload, other);
        }
        if let Some(numbers) = Numbers::read(encoding, payload) {
            let _ = numbers.start_keyframe(payload);
            let mut again = payload.to_vec();
            numbers.write(&mut again);
            assert_eq!(again, payload, "numbers without a shift are unchanged");
        }
    }

    /// Sends an authenticated compound RTCP packet with arbitrary contents.
    pub fn send_rtcp(&mut self, packet: &[u8]) {
        let mut packet = packet.to_vec();
        if packet.len() < 8 || !(192..=223).contains(&packet[1]) || self.sealer.seal_rtcp(&mut packet).is_err() {
            return;
        }
        let opened = self.session.receive(self.now, &packet, &mut self.plain).map(|opened| opened.packet.is_none());
        assert_eq!(opened.ok(), Some(true), "authenticated RTCP is accepted and carries no media");
        self.settle();
    }

    /// Forwards `packets` packets of another participant's video to the page.
    pub fn watch(&mut self, packets: u8) {
        for _ in 0..packets {
            let payload = [0x10; 900];
            let outgoing = Outgoing {
                payload_type: 96,
                sequence: self.given,
                timestamp: 1,
                marker: false,
                audio_level: None,
                made: self.now,
                payload: &payload,
                numbers: None,
            };
            assert!(self.session.send(self.now, 1, &outgoing, &mut Vec::new()), "the packet is encrypted");
            self.given += 1;
            self.given_bytes += payload.len() as u64;
        }
        self.settle();
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        if self.session.deadline() <= self.now {
            self.session.tick(self.now);
            assert!(self.session.deadline() > self.now, "everything due has been done");
        }
        self.settle();
    }

    fn settle(&mut self) {
        while let Some((class, datagram)) = self.session.take_datagram() {
            assert!(datagram.len() <= MAX_DATAGRAM, "{} bytes", datagram.len());
            match class {
                MediaClass::Control => {
                    let opened = self.opener.open_rtcp(&datagram, &mut self.plain);
                    assert!(opened.is_ok(), "RTCP from the server is authentic");
                }
                MediaClass::Audio | MediaClass::Video => {
                    self.resent += 1;
                    self.resent_bytes += datagram.len() as u64;
                }
            }
        }
        let most = self.given_bytes * 2 / 5 + self.resent * OVERHEAD;
        assert!(self.resent_bytes <= most, "{} bytes of {} were retransmitted", self.resent_bytes, self.given_bytes);
        while let Some(feedback) = self.session.take_feedback() {
            match feedback {
                Feedback::KeyframeWanted { slot } => assert!(slot < 2),
                Feedback::Reported(report) => {
                    assert!((0.0..=1.0).contains(&report.loss) && report.round_trip <= Duration::from_secs(3));
                }
            }
        }
    }
}
