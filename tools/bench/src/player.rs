//! A participant's media: a socket, simulated microphone and camera, and statistics of received media.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::camera::{self, Camera};
use crate::clock;
use crate::error::BenchError;
use crate::options::Load;
use crate::payload::{self, Content, Mark, SOUND};
use crate::socket::{Buffers, Datagram, Socket};
use crate::tally::{Heard, Tally, record};

const SOUND_EVERY: Duration = Duration::from_millis(20);
/// Bytes of 20 ms of Opus: 32 to 40 kbit/s.
const SOUND_BYTES: std::ops::RangeInclusive<usize> = 80..=100;
const FRAME_EVERY: Duration = Duration::from_nanos(1_000_000_000 / camera::RATE as u64);
/// Simulcast layers, and the percentage of the bit rate for each.
pub(crate) const SIZES: [(&str, u32); 3] = [("f", 100), ("h", 25), ("q", 8)];
/// Deadline of closed connections.
pub(crate) const NEVER: Duration = Duration::from_secs(86_400);

/// A participant in a visit.
pub(crate) struct Player {
    connection: Box<dyn Connection>,
    person: Person,
    sends: Option<Sends>,
}

/// The transport of media: WebRTC, like a browser, or only encryption, for the floor.
pub(crate) trait Connection: Send {
    /// Returns when the next timeout is due.
    fn deadline(&self) -> Instant;

    /// Processes a timeout.
    fn timeout(&mut self, now: Instant, person: &mut Person, tally: &mut Tally);

    /// Sends a media packet.
    fn write(&mut self, packet: Packet, now: Instant, person: &mut Person, tally: &mut Tally);

    /// Processes a datagram.
    fn receive(&mut self, now: Instant, datagram: &Datagram<'_>, person: &mut Person, tally: &mut Tally);
}

/// State shared with the connection.
pub(crate) struct Person {
    socket: Socket,
    is_connected: bool,
    key_wanted: bool,
    /// The number of other participants whose media is expected.
    expects: usize,
    heard: HashMap<(u32, u8), Heard>,
    /// Simulated packet loss in percent, in each direction.
    loss: f64,
    dice: Rng,
}

/// The media a participant sends.
struct Sends {
    /// The participant's number in marks.
    number: u32,
    sounds: u64,
    frames: u64,
    sizes: Vec<Size>,
    scratch: Vec<u8>,
}

/// One encoding of the video.
struct Size {
    camera: Camera,
    packets: u64,
}

/// A media packet to send.
pub(crate) struct Packet {
    /// [`SOUND`], or the index in [`SIZES`] plus one.
    pub(crate) stream: u8,
    pub(crate) sequence: u64,
    /// Timestamp in units of the media clock: 48 kHz for audio, 90 kHz for video.
    pub(crate) time: u32,
    /// Whether it is the last packet of a frame.
    pub(crate) marker: bool,
    pub(crate) payload: Arc<[u8]>,
}

/// An event that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// An audio packet.
    Sound,
    /// A video frame.
    Frame,
    /// The connection's timeout.
    Timeout,
}

impl Player {
    /// Creates a participant who sends media if `sends` is set, and expects the media of `expects` others.
    pub(crate) fn new(connection: impl Connection + 'static, person: Person, load: &Load, sends: bool) -> Self {
        Self { connection: Box::new(connection), person, sends: sends.then(|| Sends::new(load)) }
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.person.socket
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.person.is_connected
    }

    /// Returns the connection's next timeout.
    pub(crate) fn deadline(&self) -> Instant {
        self.connection.deadline()
    }

    /// Returns when the first audio packet and the first frame are due, if it sends. Start times are spread.
    pub(crate) fn beginnings(&mut self, now: Instant) -> Vec<(Instant, Due)> {
        let dice = &mut self.person.dice;
        let mut begin = |every: Duration, due| (now + every.mul_f64(dice.f64()), due);
        let both = [begin(SOUND_EVERY, Due::Sound), begin(FRAME_EVERY, Due::Frame)];
        if self.sends.is_some() { both.to_vec() } else { Vec::new() }
    }

    /// Returns the number of streams from which nothing has arrived yet.
    pub(crate) fn missing(&self) -> usize {
        let sources = |sound: bool| {
            let streams = self.person.heard.keys().filter(|(_, stream)| (*stream == SOUND) == sound);
            streams.map(|(source, _)| *source).collect::<HashSet<u32>>().len().min(self.person.expects)
        };
        2 * self.person.expects - sources(true) - sources(false)
    }

    /// Resets statistics of received media.
    pub(crate) fn begin(&mut self) {
        self.person.heard.clear();
    }

    /// Returns the number of packets lost since counting began.
    pub(crate) fn lost(&self) -> u64 {
        self.person.heard.values().map(Heard::lost).sum()
    }

    /// Processes what was due at a time and returns when it is due next.
    pub(crate) fn act(&mut self, due: Due, at: Instant, now: Instant, tally: &mut Tally) -> Instant {
        match due {
            Due::Timeout => {
                self.connection.timeout(now, &mut self.person, tally);
                self.deadline()
            }
            Due::Sound => {
                if self.person.is_connected {
                    self.sound(now, tally);
                }
                at + SOUND_EVERY
            }
            Due::Frame => {
                if self.person.is_connected {
                    self.frame(now, tally);
                }
                at + FRAME_EVERY
            }
        }
    }

    fn sound(&mut self, now: Instant, tally: &mut Tally) {
        let Some(sends) = &mut self.sends else { return };
        let sequence = sends.sounds;
        sends.sounds += 1;
        let bytes = self.person.dice.usize(SOUND_BYTES);
        let payload = sends.payload(bytes, Content::Sound, SOUND, sequence);
        let packet = Packet { stream: SOUND, sequence, time: low(sequence * 960), marker: false, payload };
        tally.sent += 1;
        self.connection.write(packet, now, &mut self.person, tally);
    }

    fn frame(&mut self, now: Instant, tally: &mut Tally) {
        let Some(sends) = &mut self.sends else { return };
        let wanted = std::mem::take(&mut self.person.key_wanted);
        let frame = sends.frames;
        sends.frames += 1;
        for at in 0..sends.sizes.len() {
            let stream = SOUND + 1 + u8::try_from(at).unwrap_or_default();
            let (key, packets) = sends.sizes[at].camera.frame(wanted);
            let count = packets.len();
            for (part, bytes) in packets.into_iter().enumerate() {
                let sequence = sends.sizes[at].packets;
                sends.sizes[at].packets += 1;
                let content = Content::Picture { first: part == 0, key, picture: low(frame) };
                let payload = sends.payload(bytes, content, stream, sequence);
                let packet = Packet { stream, sequence, time: low(frame * 3_000), marker: part + 1 == count, payload };
                tally.sent += u64::from(stream == SOUND + 1);
                self.connection.write(packet, now, &mut self.person, tally);
            }
        }
    }

    /// Receives at most `most` datagrams. Returns whether there may be more.
    pub(crate) fn receive(&mut self, most: usize, buffers: &mut Buffers, tally: &mut Tally) -> bool {
        for _ in 0..most {
            let Some(datagram) = self.person.socket.receive(buffers) else { return false };
            if self.person.is_lost(datagram.contents) {
                continue;
            }
            self.connection.receive(clock::instant(), &datagram, &mut self.person, tally);
        }
        true
    }
}

impl Person {
    /// Creates the state with a socket at an address, for `expects` other participants.
    pub(crate) fn new(address: IpAddr, load: &Load, expects: usize) -> Result<Self, BenchError> {
        Ok(Self {
            socket: Socket::bind(address)?,
            is_connected: false,
            key_wanted: true,
            expects,
            heard: HashMap::new(),
            loss: load.loss,
            dice: Rng::new(),
        })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.socket.local()
    }

    /// Returns the socket, for datagrams exempt from simulated loss.
    pub(crate) const fn socket(&self) -> &Socket {
        &self.socket
    }

    pub(crate) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Sets whether media can flow.
    pub(crate) fn set_connected(&mut self, is_connected: bool) {
        self.is_connected = is_connected;
    }

    /// Sends a datagram unless simulated loss drops it.
    pub(crate) fn send(&mut self, contents: &[u8], destination: SocketAddr) {
        if !self.is_lost(contents) {
            self.socket.send(contents, destination);
        }
    }

    /// Processes received media.
    pub(crate) fn hear(&mut self, payload: &[u8], arrived: u64, tally: &mut Tally) {
        let Some(mark) = payload::read(payload) else { return };
        tally.received += 1;
        record(&mut tally.latency, arrived.saturating_sub(mark.sent));
        self.heard.entry((mark.source, mark.stream)).or_default().note(mark.sequence);
    }

    /// Records a keyframe request from the server.
    pub(crate) fn want_keyframe(&mut self, tally: &mut Tally) {
        tally.keyframes_asked += 1;
        self.key_wanted = true;
    }

    /// Returns whether simulated loss drops this datagram. Only media is dropped, so that connection setup is not
    /// delayed.
    fn is_lost(&mut self, datagram: &[u8]) -> bool {
        let is_rtp = matches!(datagram, [128..=191, second, ..] if !(64..96).contains(&(second & 0x7f)));
        self.loss > 0.0 && self.is_connected && is_rtp && self.dice.f64() * 100.0 < self.loss
    }
}

impl Sends {
    fn new(load: &Load) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let sizes = if load.simulcast { &SIZES[..] } else { &SIZES[..1] };
        let size = |(_, share): &(&str, u32)| Size {
            camera: Camera::new(load.bitrate / 100 * share, number.into()),
            packets: 0,
        };
        Self { number, sounds: 0, frames: 0, sizes: sizes.iter().map(size).collect(), scratch: vec![0xa5; 2_048] }
    }

    /// Returns the payload of a packet that is sent now.
    fn payload(&mut self, bytes: usize, content: Content, stream: u8, sequence: u64) -> Arc<[u8]> {
        let payload = &mut self.scratch[..bytes];
        payload::write(payload, content, &Mark { source: self.number, stream, sequence, sent: clock::wall() });
        Arc::from(&*payload)
    }
}

/// RTP timestamps are modulo 2^32.
#[expect(clippy::cast_possible_truncation, reason = "only the low bits are used")]
pub(crate) fn low(number: u64) -> u32 {
    number as u32
}
