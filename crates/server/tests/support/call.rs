//! The media of a visit's page: a WebRTC peer based on str0m, over UDP or TCP.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use bedside_sfu::rfc4571;
use bedside_visit::signalling::{ClientMessage, Sdp, ServerMessage};
use str0m::change::SdpAnswer;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::{PATIENCE, Page};

/// The transport of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, rfc4571::Decoder),
}

/// The media connection of one page. It sends audio when told to, and counts received audio packets.
pub(crate) struct Call {
    rtc: Rtc,
    wire: Wire,
    local: SocketAddr,
    microphone: Mid,
    said: u64,
    /// Number of received audio packets.
    pub(crate) heard: usize,
}

impl Call {
    /// Creates an offer to send audio and to receive one other participant, and connects.
    pub(crate) async fn open(page: &mut Page, transport: Transport) -> Self {
        let mut rtc = RtcConfig::new().clear_codecs().enable_opus(true, true).set_rtp_mode(true).build(now());
        let mut api = rtc.sdp_api();
        let microphone = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        api.add_media(MediaKind::Audio, Direction::RecvOnly, None, None, None);
        let (offer, pending) = api.apply().expect("an offer");
        page.send(&ClientMessage::Offer { peer: 1, sdp: Sdp(offer.to_sdp_string()) }).await;
        let sdp = loop {
            let message = page.other().await;
            assert!(!matches!(message, ServerMessage::MediaFailed { .. }), "{message:?}");
            if let ServerMessage::Answer { sdp, .. } = message {
                break sdp.0;
            }
        };
        let server = server_address(&sdp);
        let (wire, local) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
                socket.set_nonblocking(true).expect("not blocking");
                let local = socket.local_addr().expect("an address");
                rtc.add_local_candidate(Candidate::host(local, Protocol::Udp).expect("a candidate"));
                (Wire::Udp(socket), local)
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(server).expect("the server listens");
                stream.set_nonblocking(true).expect("not blocking");
                let local = stream.local_addr().expect("an address");
                let candidate = Candidate::builder().tcp().host(local).tcptype(TcpType::Active).build();
                rtc.add_local_candidate(candidate.expect("a candidate"));
                (Wire::Tcp(stream, rfc4571::Decoder::new()), local)
            }
        };
        let answer = SdpAnswer::from_sdp_string(&sdp).expect("an answer");
        rtc.sdp_api().accept_answer(pending, answer).expect("the answer matches the offer");
        Self { rtc, wire, local, microphone, said: 0, heard: 0 }
    }

    /// Sends an audio packet and processes received datagrams.
    pub(crate) fn speak(&mut self) {
        self.said += 1;
        let opus = self.rtc.codec_config().find(|params| params.spec().codec == Codec::Opus).expect("Opus").pt();
        let time = u32::try_from(self.said).expect("few") * 960;
        let sound = RtpWrite::new(opus, self.said.into(), time, now(), self.said.to_be_bytes().to_vec());
        if let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(self.microphone, None) {
            stream.write_rtp(sound);
        }
        self.step();
    }

    fn step(&mut self) {
        let mut arrived: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        let mut buffer = [0; 4096];
        let protocol = match &mut self.wire {
            Wire::Udp(socket) => {
                while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                    arrived.push((from, buffer[..count].to_vec()));
                }
                Protocol::Udp
            }
            Wire::Tcp(stream, decoder) => {
                if let Ok(from) = stream.peer_addr() {
                    while let Ok(count @ 1..) = stream.read(&mut buffer) {
                        let frames = decoder.push(&buffer[..count], |frame| arrived.push((from, frame.to_vec())));
                        frames.expect("whole frames");
                    }
                }
                Protocol::Tcp
            }
        };
        for (from, contents) in arrived {
            let receive = Receive::new(protocol, from, self.local, &contents).expect("a packet");
            self.rtc.handle_input(Input::Receive(now(), receive)).expect("taken");
            self.poll();
        }
        self.rtc.handle_input(Input::Timeout(now())).expect("taken");
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.rtc.poll_output().expect("an output") {
                Output::Timeout(_) => return,
                // The server may have closed the connection.
                Output::Transmit(transmit) => match &mut self.wire {
                    Wire::Udp(socket) => drop(socket.send_to(&transmit.contents, transmit.destination)),
                    Wire::Tcp(stream, _) => {
                        let mut frame = Vec::new();
                        rfc4571::encode(&transmit.contents, &mut frame).expect("the packet fits into the frame");
                        drop(stream.write_all(&frame));
                    }
                },
                Output::Event(Event::RtpPacket(_)) => self.heard += 1,
                Output::Event(_) => {}
            }
        }
    }
}

/// Lets all send 50 audio packets a second each until the condition holds.
pub(crate) async fn speak_until(calls: &mut [&mut Call], what: &str, mut so: impl FnMut(&mut [&mut Call]) -> bool) {
    let end = now() + PATIENCE;
    while !so(calls) {
        assert!(now() < end, "timed out waiting for: {what}");
        calls.iter_mut().for_each(|call| call.speak());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn server_address(sdp: &str) -> SocketAddr {
    let line = sdp.lines().find(|line| line.starts_with("a=candidate:") && line.contains(" 127.0.0.1 "));
    let words: Vec<&str> = line.expect("an address of this machine").split(' ').collect();
    SocketAddr::new(words[4].parse().expect("an address"), words[5].parse().expect("a port"))
}

#[expect(clippy::disallowed_methods, reason = "str0m is told the time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
