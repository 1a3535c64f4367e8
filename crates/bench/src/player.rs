//! A person's media connection: str0m, a socket of its own, a microphone and a camera that are not there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsVersion;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::camera::{self, Camera};
use crate::clock;
use crate::error::BenchError;
use crate::options::Load;
use crate::payload::{self, Content, Mark, SOUND};
use crate::socket::{Buffers, Socket};
use crate::tally::{Heard, Tally, record};

const SOUND_EVERY: Duration = Duration::from_millis(20);
/// Bytes of 20 ms of Opus: 32 to 40 kbit/s.
const SOUND_BYTES: std::ops::RangeInclusive<usize> = 80..=100;
const FRAME_EVERY: Duration = Duration::from_nanos(1_000_000_000 / camera::RATE as u64);
/// The encodings of a picture in several sizes, and the share of the bit rate that each has, in percent.
const SIZES: [(&str, u32); 3] = [("f", 100), ("h", 25), ("q", 8)];
/// str0m asks to be woken for much that can wait for a little.
const PATIENCE: Duration = Duration::from_millis(5);

/// A connection that has made its offer.
pub(crate) struct Offered {
    player: Player,
    pending: SdpPendingOffer,
    load: Load,
}

/// A connection.
pub(crate) struct Player {
    rtc: Rtc,
    socket: Socket,
    /// When str0m wants to be told the time.
    pub(crate) deadline: Instant,
    pub(crate) is_connected: bool,
    sends: Option<Sends>,
    /// How many others it is to hear and see.
    expects: usize,
    heard: HashMap<(u32, u8), Heard>,
    /// Percent of media packets, each way, that are lost on purpose.
    loss: f64,
    dice: Rng,
}

/// What a person sends.
struct Sends {
    number: u32,
    microphone: Mid,
    camera: Mid,
    opus: Pt,
    vp8: Pt,
    sounds: u64,
    frames: u64,
    sizes: Vec<Size>,
    key_wanted: bool,
    scratch: Vec<u8>,
}

/// One encoding of the picture.
struct Size {
    rid: Option<Rid>,
    camera: Camera,
    packets: u64,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A packet of sound.
    Sound,
    /// A frame.
    Frame,
    /// str0m's own time.
    Timeout,
}

impl Offered {
    /// Offers to send, if it `sends`, and to receive so many `others`.
    pub(crate) fn new(address: IpAddr, load: &Load, sends: bool, others: usize) -> Result<(Self, String), BenchError> {
        let mut player = Player::new(address, load, others)?;
        let mut api = player.rtc.sdp_api();
        let simulcast = load.simulcast.then(|| {
            let mut simulcast = Simulcast::new();
            SIZES.iter().for_each(|(rid, _)| simulcast.add_send_layer(SimulcastLayer::new(rid)));
            simulcast
        });
        let mut add = |kind, direction, simulcast| api.add_media(kind, direction, None, None, simulcast);
        let own = sends.then(|| {
            let microphone = add(MediaKind::Audio, Direction::SendOnly, None);
            (microphone, add(MediaKind::Video, Direction::SendOnly, simulcast))
        });
        for _ in 0..others {
            add(MediaKind::Audio, Direction::RecvOnly, None);
            add(MediaKind::Video, Direction::RecvOnly, None);
        }
        let (offer, pending) = api.apply().ok_or_else(|| BenchError::Server("there is nothing to offer".to_owned()))?;
        player.sends = own.map(|(microphone, camera)| Sends::new(microphone, camera, load));
        Ok((Self { player, pending, load: load.clone() }, offer.to_sdp_string()))
    }

    /// Takes the answer.
    pub(crate) fn answered(mut self, answer: &str) -> Result<Player, BenchError> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(BenchError::server("reading an answer"))?;
        let rtc = &mut self.player.rtc;
        rtc.sdp_api().accept_answer(self.pending, answer).map_err(BenchError::server("taking an answer"))?;
        if let Some(sends) = &mut self.player.sends {
            let find = |mid: Mid, codec: Codec| {
                let agreed = rtc.media(mid).map(|media| media.remote_pts().to_vec()).unwrap_or_default();
                let all = rtc.codec_config().params();
                let pt = all.iter().find(|params| params.spec().codec == codec && agreed.contains(&params.pt()));
                pt.map(|params| params.pt()).ok_or_else(|| BenchError::Server(format!("{codec} was not agreed upon")))
            };
            sends.opus = find(sends.microphone, Codec::Opus)?;
            sends.vp8 = find(sends.camera, Codec::Vp8)?;
        }
        Ok(self.player)
    }
}

impl Player {
    fn new(address: IpAddr, load: &Load, expects: usize) -> Result<Self, BenchError> {
        let now = clock::instant();
        let socket = Socket::bind(address)?;
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).enable_vp8(true);
        let mut rtc = config.set_rtp_mode(true).set_dtls_version(DtlsVersion::Dtls12).build(now);
        let candidate = Candidate::host(socket.local(), Protocol::Udp).map_err(BenchError::server("a candidate"))?;
        rtc.add_local_candidate(candidate);
        Ok(Self {
            rtc,
            socket,
            deadline: now,
            is_connected: false,
            sends: None,
            expects,
            heard: HashMap::new(),
            loss: load.loss,
            dice: Rng::new(),
        })
    }

    /// Takes the server's offer to send `others`, and answers it.
    pub(crate) fn answering(
        address: IpAddr,
        load: &Load,
        offer: &str,
        others: usize,
    ) -> Result<(Self, String), BenchError> {
        let mut player = Self::new(address, load, others)?;
        let offer = SdpOffer::from_sdp_string(offer).map_err(BenchError::server("reading an offer"))?;
        let answer = player.rtc.sdp_api().accept_offer(offer).map_err(BenchError::server("taking an offer"))?;
        Ok((player, answer.to_sdp_string()))
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }

    /// When its first packet of sound and its first frame are due, if it sends: not all at the same moment.
    pub(crate) fn beginnings(&mut self, now: Instant) -> Vec<(Instant, Due)> {
        if self.sends.is_none() {
            return Vec::new();
        }
        vec![
            (now + SOUND_EVERY.mul_f64(self.dice.f64()), Due::Sound),
            (now + FRAME_EVERY.mul_f64(self.dice.f64()), Due::Frame),
        ]
    }

    /// How many streams it has yet to hear anything of.
    pub(crate) fn missing(&self) -> usize {
        let pictures = self.heard.iter().filter(|((_, stream), heard)| *stream != SOUND && heard.is_heard());
        let pictures = pictures.map(|((source, _), _)| *source).collect::<std::collections::HashSet<_>>().len();
        let sounds = self.heard.iter().filter(|((_, stream), heard)| *stream == SOUND && heard.is_heard()).count();
        (2 * self.expects).saturating_sub(pictures.min(self.expects) + sounds.min(self.expects))
    }

    /// Forgets what it has heard.
    pub(crate) fn begin(&mut self) {
        self.heard.clear();
    }

    /// How many packets were lost since it began.
    pub(crate) fn lost(&self) -> u64 {
        self.heard.values().map(Heard::lost).sum()
    }

    /// Does what is due, and says when it is due next.
    pub(crate) fn act(&mut self, due: Due, at: Instant, now: Instant, tally: &mut Tally) -> Instant {
        match due {
            Due::Timeout => {
                let _ = self.rtc.handle_input(Input::Timeout(now));
                self.poll(now, 0, tally);
                self.deadline
            }
            Due::Sound => {
                self.sound(now, tally);
                at + SOUND_EVERY
            }
            Due::Frame => {
                self.frame(now, tally);
                at + FRAME_EVERY
            }
        }
    }

    fn sound(&mut self, now: Instant, tally: &mut Tally) {
        let Some(sends) = self.sends.as_mut().filter(|_| self.is_connected) else { return };
        let sequence = sends.sounds;
        sends.sounds += 1;
        let mark = Mark { source: sends.number, stream: SOUND, sequence, sent: clock::wall() };
        let bytes = self.dice.usize(SOUND_BYTES);
        let payload = sends.payload(bytes, Content::Sound, &mark);
        let packet = RtpWrite::new(sends.opus, sequence.into(), low(sequence * 960), now, payload);
        let microphone = sends.microphone;
        self.write(microphone, None, packet, now, tally);
    }

    fn frame(&mut self, now: Instant, tally: &mut Tally) {
        let Some(sends) = self.sends.as_mut().filter(|_| self.is_connected) else { return };
        let wanted = std::mem::take(&mut sends.key_wanted);
        let (time, picture) = (low(sends.frames * 3_000), low(sends.frames));
        sends.frames += 1;
        for at in 0..sends.sizes.len() {
            let Some(sends) = &mut self.sends else { return };
            let (key, packets) = sends.sizes[at].camera.frame(wanted);
            let (mid, rid, count) = (sends.camera, sends.sizes[at].rid, packets.len());
            for (part, bytes) in packets.into_iter().enumerate() {
                let Some(sends) = &mut self.sends else { return };
                let sequence = sends.sizes[at].packets;
                sends.sizes[at].packets += 1;
                let stream = SOUND + 1 + u8::try_from(at).unwrap_or_default();
                let mark = Mark { source: sends.number, stream, sequence, sent: clock::wall() };
                #[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
                let content = Content::Picture { first: part == 0, key, picture: picture as u16 };
                let payload = sends.payload(bytes, content, &mark);
                let packet = RtpWrite::new(sends.vp8, sequence.into(), time, now, payload);
                self.write(mid, rid, packet.marker(part + 1 == count).nackable(true), now, tally);
            }
        }
    }

    fn write(&mut self, mid: Mid, rid: Option<Rid>, packet: RtpWrite, now: Instant, tally: &mut Tally) {
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(mid, rid) else { return };
        stream.write_rtp(packet);
        tally.sent += 1;
        self.poll(now, 0, tally);
    }

    /// Receives at most so many datagrams. Says whether there may be more.
    pub(crate) fn receive(&mut self, most: usize, buffers: &mut Buffers, tally: &mut Tally) -> bool {
        for _ in 0..most {
            let Some(datagram) = self.socket.receive(buffers) else { return false };
            if self.is_connected && self.is_lost(datagram.contents) {
                continue;
            }
            let now = clock::instant();
            let Ok(received) = Receive::new(Protocol::Udp, datagram.source, self.socket.local(), datagram.contents)
            else {
                continue;
            };
            let arrived = datagram.arrived;
            if self.rtc.handle_input(Input::Receive(now, received)).is_ok() {
                self.poll(now, arrived, tally);
            }
        }
        true
    }

    /// Takes all that str0m has to say. What it says of packets is of one that arrived then.
    fn poll(&mut self, now: Instant, arrived: u64, tally: &mut Tally) {
        let mut flush = arrived == 0;
        loop {
            match self.rtc.poll_output() {
                // What was written just now is sent once str0m has been told the time.
                Ok(Output::Timeout(at)) if flush && at <= now => {
                    flush = false;
                    let _ = self.rtc.handle_input(Input::Timeout(now));
                }
                Ok(Output::Timeout(at)) => {
                    self.deadline = if self.is_connected { at.max(now + PATIENCE) } else { at };
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    if !(self.is_connected && self.is_lost(&transmit.contents)) {
                        self.socket.send(&transmit.contents, transmit.destination);
                    }
                }
                Ok(Output::Event(Event::RtpPacket(packet))) => {
                    if let Some(mark) = payload::read(&packet.payload) {
                        tally.received += 1;
                        record(&mut tally.latency, arrived.saturating_sub(mark.sent));
                        self.heard.entry((mark.source, mark.stream)).or_default().note(mark.sequence);
                    }
                }
                Ok(Output::Event(Event::Connected)) => self.is_connected = true,
                Ok(Output::Event(Event::KeyframeRequest(_))) => {
                    tally.keyframes_asked += 1;
                    if let Some(sends) = &mut self.sends {
                        sends.key_wanted = true;
                    }
                }
                Ok(Output::Event(_)) => (),
                Err(_) => {
                    // It is closed. Nothing is due any more.
                    self.is_connected = false;
                    self.deadline = now + Duration::from_secs(3_600);
                    return;
                }
            }
        }
    }

    /// Whether this datagram is to be lost: only media, so that what is measured is not how long connecting takes.
    fn is_lost(&mut self, datagram: &[u8]) -> bool {
        let is_rtp = matches!(datagram, [128..=191, second, ..] if !(64..96).contains(&(second & 0x7f)));
        self.loss > 0.0 && is_rtp && self.dice.f64() * 100.0 < self.loss
    }
}

impl Sends {
    fn new(microphone: Mid, camera: Mid, load: &Load) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let size = |rid: Option<&str>, share: u32| Size {
            rid: rid.map(Rid::from),
            camera: Camera::new(load.bitrate / 100 * share, number.into()),
            packets: 0,
        };
        let sizes = if load.simulcast {
            SIZES.iter().map(|(rid, share)| size(Some(rid), *share)).collect()
        } else {
            vec![size(None, 100)]
        };
        Self {
            number,
            microphone,
            camera,
            opus: 0.into(),
            vp8: 0.into(),
            sounds: 0,
            frames: 0,
            sizes,
            key_wanted: true,
            scratch: vec![0xa5; 2_048],
        }
    }

    fn payload(&mut self, bytes: usize, content: Content, mark: &Mark) -> Arc<[u8]> {
        let payload = &mut self.scratch[..bytes];
        payload::write(payload, content, mark);
        Arc::from(&*payload)
    }
}

/// RTP's numbers begin again at 2^32.
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
fn low(number: u64) -> u32 {
    number as u32
}
