//! Visits of three and more participants whose pages send simulcast video and follow layer requests.

use std::time::Instant;

use bedside_visit::Layer;
use str0m::format::Codec;
use str0m::rtp::{ExtensionValues, RtpWrite};

use super::world::*;
use crate::*;

/// Audio level of a speaking user, in dBov.
pub(super) const SPEAKS: i8 = -25;
pub(super) const IS_QUIET: i8 = -75;

/// Bytes of a picture in each layer, at ten pictures a second: 150, 500 and 1500 kbit/s.
const BYTES: [usize; 3] = [1_875, 6_250, 18_750];
const MTU: usize = 1_100;

/// The state of one layer that a page sends.
#[derive(Debug, Clone, Copy)]
struct Encoder {
    active: bool,
    key: bool,
    sequence: u64,
    timestamp: u32,
    picture: u16,
    base: u8,
}

/// A user with their page.
pub(super) struct Guest {
    pub(super) page: usize,
    pub(super) user: u128,
    others: Vec<u128>,
    layers: Vec<Layer>,
    encoders: [Encoder; 3],
    said: u64,
    pub(super) level: i8,
    /// The layer requests to the page.
    pub(super) told: Vec<Vec<Layer>>,
    peer: u64,
}

/// A received video packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) picture: u16,
    pub(super) base: u8,
    pub(super) layer: Layer,
    starts_keyframe: bool,
}

/// A visit with several users.
pub(super) struct Company {
    pub(super) world: World,
    pub(super) guests: Vec<Guest>,
    events_read: usize,
    /// The active speakers reported.
    pub(super) spoke: Vec<Option<u128>>,
}

impl Company {
    /// Connects and admits everyone. Pages that send one layer do not use simulcast.
    pub(super) fn of(layers: &[&[Layer]]) -> Self {
        let mut company = Self { world: World::new(), guests: Vec::new(), events_read: 0, spoke: Vec::new() };
        let users: Vec<u128> = (1..=layers.len() as u128).collect();
        for (user, layers) in users.iter().zip(layers) {
            company.join(u64::try_from(*user).unwrap(), *user, &users, layers);
        }
        company.world.run(2000);
        assert!(users.iter().all(|user| company.world.is_up(u64::try_from(*user).unwrap())));
        company
    }

    /// Three users who send all layers.
    pub(super) fn three() -> Self {
        Self::of(&[&Layer::ALL[..]; 3])
    }

    /// Opens another connection of a user's page.
    pub(super) fn rejoin(&mut self, guest: usize, peer: u64) {
        let users: Vec<u128> = self.guests.iter().map(|guest| guest.user).collect();
        let (user, layers) = (self.guests[guest].user, self.guests[guest].layers.clone());
        self.join(peer, user, &users, &layers);
        self.guests.swap_remove(guest);
    }

    fn join(&mut self, peer: u64, user: u128, users: &[u128], layers: &[Layer]) {
        let others: Vec<u128> = users.iter().copied().filter(|other| *other != user).collect();
        let (page, offer) = self.world.page_among(Transport::Udp, true, others.len(), layers);
        self.world.command(Command::Join(Box::new(Join {
            peer: PeerId(peer),
            room: room(),
            user: super::world::user(user),
            others: others.iter().map(|other| super::world::user(*other)).collect(),
            offer: unnamed(&offer, !layers.is_empty()),
            ice: ice(peer),
            forwarding: EVERYTHING,
        })));
        self.world.give_answer(page, peer);
        let encoder = |layer: Layer| {
            // Each layer has different numbers.
            let number = 1000 * (layer as u16 + 1);
            let active = if layers.is_empty() { layer == Layer::Full } else { layers.contains(&layer) };
            let (sequence, timestamp) = (u64::from(number) * 7, u32::from(number) * 100_000);
            Encoder { active, key: true, sequence, timestamp, picture: number, base: number.to_be_bytes()[1] }
        };
        self.guests.push(Guest {
            page,
            user,
            others,
            layers: layers.to_vec(),
            encoders: Layer::ALL.map(encoder),
            said: 0,
            level: IS_QUIET,
            told: Vec::new(),
            peer,
        });
    }

    /// Lets time pass while everyone sends audio and video.
    pub(super) fn talk(&mut self, ms: u64) {
        for step in 0..ms / 20 {
            let now = self.world.now;
            for guest in &mut self.guests {
                let page = &mut self.world.pages[guest.page];
                guest.say(page, now);
                if step % 5 == 0 {
                    guest.show(page, now);
                }
                page.deadline = now;
            }
            self.world.run(20);
            self.obey();
        }
    }

    /// Follows layer requests as pages do.
    fn obey(&mut self) {
        for event in &self.world.events[self.events_read..] {
            match event {
                Output::Wanted { peer, layers } => {
                    let guest = self.guests.iter_mut().find(|guest| guest.peer == peer.0).unwrap();
                    guest.told.push(layers.clone());
                    for layer in Layer::ALL {
                        let encoder = &mut guest.encoders[layer as usize];
                        let active = layers.contains(&layer);
                        encoder.key |= active && !encoder.active;
                        encoder.active = active;
                    }
                }
                Output::Speaking { user, .. } => self.spoke.push(user.map(|user| user.uuid().as_u128())),
                _ => (),
            }
        }
        self.events_read = self.world.events.len();
    }

    /// Returns the video packets of one user that another received since the last call.
    pub(super) fn seen(&mut self, receiver: usize, publisher: usize) -> Vec<Seen> {
        let publisher = self.guests[publisher].user;
        let guest = &self.guests[receiver];
        let at = guest.others.iter().position(|other| *other == publisher).unwrap();
        let packets = self.world.take(guest.page, |page| page.slots[at].1);
        packets.iter().map(|packet| Seen::of(packet, publisher)).collect()
    }

    /// Returns the layers received in the next `ms` milliseconds, smallest first.
    pub(super) fn layers(&mut self, receiver: usize, publisher: usize, ms: u64) -> Vec<Layer> {
        self.seen(receiver, publisher);
        self.talk(ms);
        let mut layers: Vec<Layer> = self.seen(receiver, publisher).iter().map(|seen| seen.layer).collect();
        layers.sort_unstable();
        layers.dedup();
        layers
    }

    pub(super) fn narrow(&mut self, guest: usize, bits: Option<u64>) {
        let now = self.world.now;
        self.world.pages[self.guests[guest].page].narrow = bits.map(|bits| (bits, now));
    }

    pub(super) fn watch(&mut self, guest: usize, most: &[(usize, Option<Layer>)]) {
        let most = most.iter().map(|(whom, most)| (user(self.guests[*whom].user), *most)).collect();
        let who = user(self.guests[guest].user);
        self.world.command(Command::Watch { room: room(), user: who, most });
    }

    pub(super) fn sends(&self, guest: usize) -> Vec<Layer> {
        let guest = &self.guests[guest];
        guest.layers.iter().copied().filter(|layer| guest.encoders[*layer as usize].active).collect()
    }
}

impl Guest {
    fn say(&mut self, page: &mut Page, now: Instant) {
        self.said += 1;
        let timestamp = u32::try_from(self.said * 960).unwrap();
        let payload = self.said.to_be_bytes().to_vec();
        let levels = ExtensionValues {
            audio_level: Some(self.level),
            voice_activity: Some(self.level > -50),
            ..ExtensionValues::default()
        };
        let packet = RtpWrite::new(page.pt(Codec::Opus), (self.said + 30_000).into(), timestamp, now, payload);
        let mut api = page.rtc.direct_api();
        api.stream_tx_by_mid(page.microphone, None).unwrap().write_rtp(packet.ext_vals(levels));
    }

    /// Sends a picture in each active layer; a keyframe where one was requested.
    fn show(&mut self, page: &mut Page, now: Instant) {
        for rid in std::mem::take(&mut page.keyframes_of) {
            let of = |layer: &Layer| rid.is_none_or(|rid| *rid == *layer.rid()) || self.layers.is_empty();
            for layer in Layer::ALL.iter().filter(|layer| of(layer)) {
                self.encoders[*layer as usize].key = true;
            }
        }
        for layer in Layer::ALL {
            let encoder = &mut self.encoders[layer as usize];
            encoder.timestamp = encoder.timestamp.wrapping_add(9000);
            if !encoder.active {
                continue;
            }
            let key = std::mem::take(&mut encoder.key);
            (encoder.picture, encoder.base) = ((encoder.picture + 1) & 0x7fff, encoder.base.wrapping_add(1));
            let [high, low] = encoder.picture.to_be_bytes();
            let pieces = BYTES[layer as usize].div_ceil(MTU);
            let rid = (!self.layers.is_empty()).then(|| layer.rid().into());
            for piece in 0..pieces {
                let first = if piece == 0 { 0x90 } else { 0x80 };
                let kind = if key { 0x10 } else { 0x11 };
                let whose = u8::try_from(self.user).unwrap();
                let mut payload = vec![first, 0xe0, 0x80 | high, low, encoder.base, 0, kind, layer as u8, whose];
                payload.resize(BYTES[layer as usize] / pieces, 7);
                encoder.sequence += 1;
                let (pt, timestamp) = (page.pt(Codec::Vp8), encoder.timestamp);
                let packet = RtpWrite::new(pt, encoder.sequence.into(), timestamp, now, payload);
                let mut api = page.rtc.direct_api();
                let stream = api.stream_tx_by_mid(page.camera, rid).unwrap();
                stream.write_rtp(packet.marker(piece + 1 == pieces).nackable(true));
            }
        }
    }
}

impl Seen {
    fn of(packet: &Received, publisher: u128) -> Self {
        let payload = &packet.payload;
        assert_eq!((payload[1], u128::from(payload[8])), (0xe0, publisher), "the publisher of the video");
        Self {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            picture: u16::from_be_bytes([payload[2] & 0x7f, payload[3]]),
            base: payload[4],
            layer: Layer::ALL[usize::from(payload[7])],
            starts_keyframe: payload[0] & 0x10 != 0 && payload[6] & 1 == 0,
        }
    }
}

/// Asserts that a decoder can decode everything: numbers are continuous, and every layer starts with a keyframe.
pub(super) fn assert_decodable(seen: &[Seen]) {
    assert!(seen.len() > 2, "only {} packets", seen.len());
    for pair in seen.windows(2) {
        let [before, after] = pair else { unreachable!() };
        assert_eq!(after.sequence, before.sequence + 1, "{before:?} {after:?}");
        if after.timestamp == before.timestamp {
            assert_eq!((after.picture, after.base, after.layer), (before.picture, before.base, before.layer));
            continue;
        }
        assert!(after.timestamp.wrapping_sub(before.timestamp) < 90_000, "{before:?} {after:?}");
        let next = ((before.picture + 1) & 0x7fff, before.base.wrapping_add(1));
        assert_eq!((after.picture, after.base), next, "{before:?} {after:?}");
        assert!(after.layer == before.layer || after.starts_keyframe, "{before:?} {after:?}");
    }
}

/// Removes the stream names, as Chromium does not declare the streams of several layers. Over str0m they must be
/// declared.
fn unnamed(offer: &str, layered: bool) -> String {
    if !layered || super::PATH == PacketPath::Str0m {
        return offer.to_owned();
    }
    let mut picture = false;
    let lines = offer.lines().filter(|line| {
        if line.starts_with("m=") {
            picture = line.starts_with("m=video");
        }
        !(picture && line.starts_with("a=ssrc"))
    });
    lines.map(|line| format!("{line}\r\n")).collect()
}
