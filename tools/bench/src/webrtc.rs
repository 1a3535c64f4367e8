//! A WebRTC connection like a browser's, built on str0m.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::config::DtlsVersion;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use crate::clock;
use crate::error::BenchError;
use crate::options::Load;
use crate::payload::SOUND;
use crate::player::{Connection, NEVER, Packet, Person, Player, SIZES};
use crate::socket::Datagram;
use crate::tally::Tally;

/// Minimum interval of timeouts. str0m asks to be woken for many things that can wait.
const PATIENCE: Duration = Duration::from_millis(5);

/// One peer connection.
pub(crate) struct WebRtc {
    rtc: Rtc,
    /// When str0m's next timeout is due.
    deadline: Instant,
    microphone: Option<(Mid, Pt)>,
    /// With the names of its layers, if it uses simulcast.
    camera: Option<(Mid, Pt, Vec<Rid>)>,
}

/// A connection that has made its offer.
pub(crate) struct Offered {
    connection: WebRtc,
    person: Person,
    pending: SdpPendingOffer,
    own: Option<(Mid, Mid)>,
}

impl Offered {
    /// Creates an offer to send, if `sends` is set, and to receive from `others` participants.
    pub(crate) fn new(address: IpAddr, load: &Load, sends: bool, others: usize) -> Result<(Self, String), BenchError> {
        let person = Person::new(address, load, others)?;
        let mut connection = WebRtc::new(&person)?;
        let mut api = connection.rtc.sdp_api();
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
        let (offer, pending) = api.apply().ok_or_else(|| BenchError::Server("the offer is empty".to_owned()))?;
        Ok((Self { connection, person, pending, own }, offer.to_sdp_string()))
    }

    /// Applies the answer.
    pub(crate) fn answered(mut self, answer: &str, load: &Load) -> Result<Player, BenchError> {
        let answer = SdpAnswer::from_sdp_string(answer).map_err(BenchError::server("reading an answer"))?;
        let rtc = &mut self.connection.rtc;
        rtc.sdp_api().accept_answer(self.pending, answer).map_err(BenchError::server("applying an answer"))?;
        if let Some((microphone, camera)) = self.own {
            let rids = SIZES.iter().filter(|_| load.simulcast).map(|(rid, _)| Rid::from(*rid)).collect();
            self.connection.microphone = Some((microphone, agreed(rtc, microphone, Codec::Opus)?));
            self.connection.camera = Some((camera, agreed(rtc, camera, Codec::Vp8)?, rids));
        }
        Ok(Player::new(self.connection, self.person, load, self.own.is_some()))
    }
}

/// Creates a participant who only receives: applies the server's offer to send from `others` participants, and answers
/// it.
pub(crate) fn answering(
    address: IpAddr,
    load: &Load,
    offer: &str,
    others: usize,
) -> Result<(Player, String), BenchError> {
    let person = Person::new(address, load, others)?;
    let mut connection = WebRtc::new(&person)?;
    let offer = SdpOffer::from_sdp_string(offer).map_err(BenchError::server("reading an offer"))?;
    let answer = connection.rtc.sdp_api().accept_offer(offer).map_err(BenchError::server("applying an offer"))?;
    let player = Player::new(connection, person, load, false);
    Ok((player, answer.to_sdp_string()))
}

/// Returns the payload type negotiated for a codec.
fn agreed(rtc: &Rtc, mid: Mid, codec: Codec) -> Result<Pt, BenchError> {
    let theirs = rtc.media(mid).map(|media| media.remote_pts().to_vec()).unwrap_or_default();
    let mut params = rtc.codec_config().params().iter();
    let found = params.find(|params| params.spec().codec == codec && theirs.contains(&params.pt()));
    found.map(str0m::format::PayloadParams::pt).ok_or_else(|| BenchError::Server(format!("{codec} was not negotiated")))
}

impl WebRtc {
    fn new(person: &Person) -> Result<Self, BenchError> {
        let now = clock::instant();
        let config = RtcConfig::new().clear_codecs().enable_opus(true, false).enable_vp8(true);
        let mut rtc = config.set_rtp_mode(true).set_dtls_version(DtlsVersion::Dtls12).build(now);
        let candidate = Candidate::host(person.local(), Protocol::Udp).map_err(BenchError::server("a candidate"))?;
        rtc.add_local_candidate(candidate);
        Ok(Self { rtc, deadline: now, microphone: None, camera: None })
    }

    /// Polls all output of str0m. Media it returns arrived at `arrived`.
    fn poll(&mut self, now: Instant, arrived: u64, person: &mut Person, tally: &mut Tally) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.deadline = if person.is_connected() { at.max(now + PATIENCE) } else { at };
                    return;
                }
                Ok(Output::Transmit(transmit)) => person.send(&transmit.contents, transmit.destination),
                Ok(Output::Event(Event::RtpPacket(packet))) => person.hear(&packet.payload, arrived, tally),
                Ok(Output::Event(Event::Connected)) => person.set_connected(true),
                Ok(Output::Event(Event::KeyframeRequest(_))) => person.want_keyframe(tally),
                Ok(Output::Event(_)) => (),
                Err(_) => {
                    person.set_connected(false);
                    self.deadline = now + NEVER;
                    return;
                }
            }
        }
    }
}

impl Connection for WebRtc {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn timeout(&mut self, now: Instant, person: &mut Person, tally: &mut Tally) {
        let _ = self.rtc.handle_input(Input::Timeout(now));
        self.poll(now, 0, person, tally);
    }

    fn write(&mut self, packet: Packet, now: Instant, person: &mut Person, tally: &mut Tally) {
        let is_sound = packet.stream == SOUND;
        let (mid, pt, rid) = match (&self.microphone, &self.camera) {
            (Some((mid, pt)), _) if is_sound => (*mid, *pt, None),
            (_, Some((mid, pt, rids))) => (*mid, *pt, rids.get(usize::from(packet.stream - SOUND) - 1).copied()),
            (Some(_) | None, None) => return,
        };
        let write = RtpWrite::new(pt, packet.sequence.into(), packet.time, now, packet.payload);
        let mut api = self.rtc.direct_api();
        if let Some(stream) = api.stream_tx_by_mid(mid, rid) {
            stream.write_rtp(write.marker(packet.marker).nackable(!is_sound));
            // str0m sends what was written after the next timeout.
            self.timeout(now, person, tally);
        }
    }

    fn receive(&mut self, now: Instant, datagram: &Datagram<'_>, person: &mut Person, tally: &mut Tally) {
        let Ok(received) = Receive::new(Protocol::Udp, datagram.source, person.local(), datagram.contents) else {
            return;
        };
        if self.rtc.handle_input(Input::Receive(now, received)).is_ok() {
            self.poll(now, datagram.arrived, person, tally);
        }
    }
}
