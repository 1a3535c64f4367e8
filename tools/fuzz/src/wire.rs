//! The SFU and pages that connect to it, without sockets and clocks.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bedside_sfu::{
    Command, DtlsCert, Forwarding, IceCredentials, Join, Limits, Output, PacketPath, PeerId, Sfu, SfuConfig, Transport,
    generate_certificate, install_crypto,
};
use bedside_visit::{UserId, VisitId};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Rtc, RtcConfig};
use uuid::Uuid;

static CERTIFICATE: LazyLock<DtlsCert> = LazyLock::new(|| {
    install_crypto();
    generate_certificate().expect("a certificate")
});

static START: LazyLock<Instant> = LazyLock::new(|| {
    #[expect(clippy::disallowed_methods, reason = "an Instant cannot be constructed; from here on, time is simulated")]
    Instant::now()
});

/// An input from which steps are read.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Returns the next `length` bytes, or fewer at the end.
    pub(crate) fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns as many bytes as the next two bytes specify.
    pub(crate) fn block(&mut self) -> &'a [u8] {
        let length = self.byte().unwrap_or(0) as usize * 256 + self.byte().unwrap_or(0) as usize;
        self.take(length)
    }
}

/// The start time of every input.
pub(crate) fn start() -> Instant {
    *START
}

/// The server's address.
pub(crate) fn server_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 50_000))
}

/// An SFU without peers.
pub(crate) fn server() -> Sfu {
    let candidates = vec![(Transport::Udp, server_address()), (Transport::Tcp, server_address())];
    Sfu::new(
        SfuConfig { candidates, certificate: CERTIFICATE.clone(), limits: Limits::default(), path: PacketPath::Short },
        start(),
    )
}

/// The server's credentials for a connection.
pub(crate) fn ice(number: u64) -> IceCredentials {
    IceCredentials { ufrag: format!("ufrag{number:06}"), password: format!("password{number:020}") }
}

/// Joins a user who may send everything.
pub(crate) fn join(peer: u64, person: u128, other: u128, offer: String) -> Command {
    let user = |number| UserId::new(Uuid::from_u128(number));
    Command::Join(Box::new(Join {
        peer: PeerId(peer),
        room: VisitId::new(Uuid::from_u128(1000)),
        user: user(person),
        others: vec![user(other)],
        offer,
        ice: ice(peer),
        forwarding: Forwarding { admitted: true, microphone: true, camera: true },
    }))
}

/// Returns the SFU's outputs other than datagrams.
pub(crate) fn output_events(sfu: &mut Sfu) -> Vec<Output> {
    std::iter::from_fn(|| sfu.poll_output()).filter(|output| !matches!(output, Output::Transmit(_))).collect()
}

/// A page, with str0m instead of a browser.
pub(crate) struct Page {
    pub(crate) address: SocketAddr,
    /// The most recent datagrams it sent, newest last.
    pub(crate) sent: VecDeque<Vec<u8>>,
    /// Audio packets received.
    pub(crate) heard: usize,
    rtc: Rtc,
    microphone: Mid,
    pending: Option<SdpPendingOffer>,
    deadline: Instant,
    said: u64,
}

/// How many of its datagrams a page keeps.
const REMEMBERED: usize = 64;

impl Page {
    /// Creates a page with an offer.
    pub(crate) fn new(number: u8, now: Instant) -> (Self, String) {
        LazyLock::force(&CERTIFICATE);
        let address = SocketAddr::from(([198, 51, 100, number], 4000));
        let config = RtcConfig::new().clear_codecs().enable_opus(true, true).enable_vp8(true).set_rtp_mode(true);
        let mut rtc = config.set_dtls_cert(CERTIFICATE.clone()).build(now);
        rtc.add_local_candidate(Candidate::host(address, Protocol::Udp).expect("a plain address"));
        let mut api = rtc.sdp_api();
        let microphone = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        api.add_media(MediaKind::Video, Direction::SendOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        api.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().expect("a non-empty offer");
        let page = Self {
            address,
            sent: VecDeque::new(),
            heard: 0,
            rtc,
            microphone,
            pending: Some(pending),
            deadline: now,
            said: 0,
        };
        (page, offer.to_sdp_string())
    }

    pub(crate) fn take_answer(&mut self, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("the answer is valid SDP");
        let pending = self.pending.take().expect("an offer was made");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer matches the offer");
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Sends an audio packet with the next poll.
    pub(crate) fn say(&mut self, now: Instant) {
        self.said += 1;
        let pt =
            self.rtc.codec_config().find(|params| params.spec().codec == Codec::Opus).expect("Opus is enabled").pt();
        let time = u32::try_from(self.said * 960).expect("an input is short");
        let packet = RtpWrite::new(pt, (self.said + 30_000).into(), time, now, self.said.to_be_bytes().to_vec());
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.microphone, None) {
            stream.write_rtp(packet);
        }
        self.deadline = now;
    }

    pub(crate) fn receive(&mut self, now: Instant, source: SocketAddr, contents: &[u8]) {
        if let Ok(receive) = Receive::new(Protocol::Udp, source, self.address, contents) {
            drop(self.rtc.handle_input(str0m::Input::Receive(now, receive)));
            self.deadline = now;
        }
    }

    /// Returns what the page sends at this time.
    pub(crate) fn poll(&mut self, now: Instant) -> Vec<Vec<u8>> {
        if self.deadline <= now {
            drop(self.rtc.handle_input(str0m::Input::Timeout(now)));
        }
        let mut sent: Vec<Vec<u8>> = Vec::new();
        loop {
            match self.rtc.poll_output() {
                Ok(str0m::Output::Timeout(at)) => {
                    self.deadline = at.max(now + Duration::from_millis(1));
                    break;
                }
                Ok(str0m::Output::Transmit(transmit)) => sent.push(transmit.contents.into()),
                Ok(str0m::Output::Event(Event::RtpPacket(_))) => self.heard += 1,
                Ok(str0m::Output::Event(_)) => {}
                Err(_) => {
                    self.deadline = now + Duration::from_secs(3600);
                    break;
                }
            }
        }
        self.sent.extend(sent.iter().cloned());
        self.sent.drain(..self.sent.len().saturating_sub(REMEMBERED));
        sent
    }
}
