//! A simulated network without sockets: pages built on str0m, the SFU, and links between them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bedside_visit::{Layer, UserId, VisitId};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, IceConnectionState, Rtc, RtcConfig};
use uuid::Uuid;

use super::link::Link;
use crate::*;

pub(in crate::tests) const SERVER_UDP: &str = "192.0.2.1:50000";

pub(in crate::tests) fn user(number: u128) -> UserId {
    UserId::new(Uuid::from_u128(number))
}

pub(in crate::tests) fn room() -> VisitId {
    VisitId::new(Uuid::from_u128(1000))
}

pub(in crate::tests) fn ice(number: u64) -> IceCredentials {
    IceCredentials { ufrag: format!("ufrag{number:06}"), password: format!("password{number:020}") }
}

pub(in crate::tests) const EVERYTHING: Forwarding = Forwarding { admitted: true, microphone: true, camera: true };

/// A packet as a page received it.
#[derive(Debug, Clone)]
pub(in crate::tests) struct Received {
    pub(in crate::tests) mid: Mid,
    pub(in crate::tests) pt: u8,
    pub(in crate::tests) sequence: u64,
    pub(in crate::tests) timestamp: u32,
    pub(in crate::tests) payload: Vec<u8>,
    pub(in crate::tests) transport_cc: bool,
}

pub(in crate::tests) struct Page {
    pub(in crate::tests) rtc: Rtc,
    pub(in crate::tests) address: SocketAddr,
    transport: Transport,
    pub(in crate::tests) microphone: Mid,
    pub(in crate::tests) camera: Mid,
    pub(in crate::tests) heard: Mid,
    pub(in crate::tests) seen: Mid,
    /// Audio and video slots per participant; the first are duplicated for convenience.
    pub(in crate::tests) slots: Vec<(Mid, Mid)>,
    pub(in crate::tests) received: Vec<Received>,
    pub(in crate::tests) keyframes_asked: usize,
    /// The layer of each keyframe request received.
    pub(in crate::tests) keyframes_of: Vec<Option<Rid>>,
    /// Capacity of the path to the page in bits per second, and until when it is busy.
    pub(in crate::tests) narrow: Option<(u64, Instant)>,
    pub(in crate::tests) ice: Option<IceConnectionState>,
    pub(in crate::tests) closed: bool,
    /// Whether the page's link is unplugged.
    pub(in crate::tests) unplugged: bool,
    /// The page's external address after a NAT rebinding.
    pub(in crate::tests) outside: Option<SocketAddr>,
    /// Captures what the page sends instead of delivering it.
    pub(in crate::tests) captured: Option<Vec<Vec<u8>>>,
    /// The simulated link to the server; `None` for an ideal one.
    pub(in crate::tests) link: Option<Link>,
    /// Drops every n-th media datagram to and from the page.
    pub(in crate::tests) loss: Option<usize>,
    lossy: usize,
    /// The sizes of received RTP datagrams.
    pub(in crate::tests) sizes: Vec<usize>,
    /// The largest of the other datagrams received.
    pub(in crate::tests) largest_control: usize,
    pub(in crate::tests) deadline: Instant,
    audio: u64,
    video: u64,
    pending: Option<SdpPendingOffer>,
    outbox: VecDeque<Sent>,
}

/// A datagram between a page and the server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Flying {
    Up { page: usize, source: SocketAddr, destination: SocketAddr, contents: Vec<u8> },
    Down { page: usize, source: SocketAddr, contents: Vec<u8> },
}

fn server(path: PacketPath) -> SfuConfig {
    let server: SocketAddr = SERVER_UDP.parse().unwrap();
    SfuConfig {
        candidates: vec![(Transport::Udp, server), (Transport::Tcp, server)],
        certificate: generate_certificate().unwrap(),
        limits: Limits::default(),
        path,
    }
}

pub(in crate::tests) struct World {
    path: PacketPath,
    pub(in crate::tests) sfu: Sfu,
    /// The visit that pages join.
    pub(in crate::tests) room: VisitId,
    start: Instant,
    pub(in crate::tests) now: Instant,
    flying: BinaryHeap<Reverse<(Instant, u64, Flying)>>,
    flown: u64,
    pub(in crate::tests) pages: Vec<Page>,
    pub(in crate::tests) events: Vec<Output>,
    /// Datagrams sent to addresses that no page has.
    pub(in crate::tests) stray: Vec<Transmit>,
}

impl World {
    pub(in crate::tests) fn new() -> Self {
        Self::over(super::PATH)
    }

    /// Creates a world whose server uses this packet path.
    pub(in crate::tests) fn over(path: PacketPath) -> Self {
        install_crypto();
        let now = Instant::now();
        let (flying, flown) = (BinaryHeap::new(), 0);
        Self {
            path,
            sfu: Sfu::new(server(path), now),
            room: room(),
            start: now,
            now,
            flying,
            flown,
            pages: Vec::new(),
            events: Vec::new(),
            stray: Vec::new(),
        }
    }

    /// Creates a page with an offer.
    pub(in crate::tests) fn page(&mut self, transport: Transport, red: bool) -> (usize, String) {
        self.page_among(transport, red, 1, &[])
    }

    /// Creates a page with slots for several participants that sends video in these layers.
    pub(in crate::tests) fn page_among(
        &mut self,
        transport: Transport,
        red: bool,
        others: usize,
        layers: &[Layer],
    ) -> (usize, String) {
        let number = self.pages.len();
        let address: SocketAddr = format!("198.51.100.{}:4000", number + 1).parse().unwrap();
        let config = RtcConfig::new().clear_codecs().enable_opus(true, red).enable_vp8(true).set_rtp_mode(true);
        let mut rtc = config.build(self.now);
        rtc.add_local_candidate(match transport {
            Transport::Udp => Candidate::host(address, Protocol::Udp).unwrap(),
            Transport::Tcp => Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build().unwrap(),
        });
        let mut api = rtc.sdp_api();
        let mut simulcast = Simulcast::new();
        layers.iter().for_each(|layer| simulcast.add_send_layer(SimulcastLayer::new(layer.rid())));
        let simulcast = (!layers.is_empty()).then_some(simulcast);
        let mut add = |kind, direction, simulcast| api.add_media(kind, direction, None, None, simulcast);
        let microphone = add(MediaKind::Audio, Direction::SendOnly, None);
        let camera = add(MediaKind::Video, Direction::SendOnly, simulcast);
        let receive = |_| {
            (add(MediaKind::Audio, Direction::RecvOnly, None), add(MediaKind::Video, Direction::RecvOnly, None))
        };
        let slots: Vec<(Mid, Mid)> = (0..others).map(receive).collect();
        let (heard, seen) = slots[0];
        let (offer, pending) = api.apply().unwrap();
        self.pages.push(Page {
            rtc,
            address,
            transport,
            microphone,
            camera,
            heard,
            seen,
            slots,
            received: Vec::new(),
            keyframes_asked: 0,
            keyframes_of: Vec::new(),
            narrow: None,
            ice: None,
            closed: false,
            unplugged: false,
            outside: None,
            captured: None,
            link: None,
            loss: None,
            lossy: 0,
            sizes: Vec::new(),
            largest_control: 0,
            deadline: self.now,
            audio: 0,
            video: 0,
            pending: Some(pending),
            outbox: VecDeque::new(),
        });
        (number, offer.to_sdp_string())
    }

    /// Kills and restarts the server.
    pub(in crate::tests) fn restart_server(&mut self) {
        self.sfu = Sfu::new(server(self.path), self.now);
    }

    /// Returns the virtual time elapsed.
    pub(in crate::tests) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(in crate::tests) fn command(&mut self, command: Command) {
        self.sfu.handle_input(self.now, Input::Command(command));
    }

    /// Joins a new page for a user and applies the answer.
    pub(in crate::tests) fn join(&mut self, id: u64, who: u128, other: u128, forwarding: Forwarding) -> usize {
        self.join_over(Transport::Udp, true, id, who, other, forwarding)
    }

    pub(in crate::tests) fn join_over(
        &mut self,
        transport: Transport,
        red: bool,
        id: u64,
        who: u128,
        other: u128,
        forwarding: Forwarding,
    ) -> usize {
        let (page, offer) = self.page(transport, red);
        self.command(Command::Join(Box::new(Join {
            peer: PeerId(id),
            room: self.room,
            user: user(who),
            others: vec![user(other)],
            offer,
            ice: ice(id),
            forwarding,
        })));
        self.give_answer(page, id);
        page
    }

    /// Restarts ICE from the page unless it is closed. The server may refuse.
    pub(in crate::tests) fn restart_without_answer(&mut self, page: usize, id: u64, ice: IceCredentials) {
        let before = self.events.len();
        if self.pages[page].closed || !self.pages[page].rtc.is_alive() {
            return;
        }
        let mut api = self.pages[page].rtc.sdp_api();
        api.ice_restart(true);
        let Some((offer, pending)) = api.apply() else { return };
        self.pages[page].pending = Some(pending);
        self.command(Command::Renegotiate { peer: PeerId(id), offer: offer.to_sdp_string(), ice });
        self.settle();
        let answered = |event: &Output| matches!(event, Output::Answered { peer, .. } if peer.0 == id);
        if self.events[before..].iter().any(answered) {
            self.give_answer(page, id);
        }
    }

    /// Restarts ICE from the page.
    pub(in crate::tests) fn restart(&mut self, page: usize, id: u64, ice: IceCredentials) {
        let mut api = self.pages[page].rtc.sdp_api();
        api.ice_restart(true);
        let (offer, pending) = api.apply().unwrap();
        self.pages[page].pending = Some(pending);
        self.command(Command::Renegotiate { peer: PeerId(id), offer: offer.to_sdp_string(), ice });
        self.give_answer(page, id);
    }

    pub(in crate::tests) fn give_answer(&mut self, page: usize, id: u64) {
        self.settle();
        let answered = |event: &Output| match event {
            Output::Answered { peer, sdp, tracks } if peer.0 == id => Some((sdp.clone(), tracks.clone())),
            _ => None,
        };
        let (sdp, tracks) = self.events.iter().rev().find_map(answered).expect("the offer was answered");
        let page = &mut self.pages[page];
        assert_eq!(tracks[0].0, page.heard.to_string());
        assert_eq!(tracks[tracks.len() / 2].0, page.seen.to_string());
        let answer = SdpAnswer::from_sdp_string(&sdp).unwrap();
        page.rtc.sdp_api().accept_answer(page.pending.take().unwrap(), answer).unwrap();
        let camera = page.camera;
        page.rtc.direct_api().stream_tx_by_mid(camera, None).unwrap().set_rtx_cache(200, Duration::from_secs(2), None);
        page.deadline = self.now;
    }

    /// Two admitted users who publish everything, connected.
    pub(in crate::tests) fn two() -> (Self, usize, usize) {
        Self::two_over(super::PATH)
    }

    pub(in crate::tests) fn two_over(path: PacketPath) -> (Self, usize, usize) {
        let mut world = Self::over(path);
        let ann = world.join(1, 1, 2, EVERYTHING);
        let bob = world.join(2, 2, 1, EVERYTHING);
        world.run(2000);
        assert!(world.is_up(1) && world.is_up(2));
        (world, ann, bob)
    }

    pub(in crate::tests) fn is_up(&self, id: u64) -> bool {
        self.events.contains(&Output::Up { peer: PeerId(id) })
    }

    pub(in crate::tests) fn gone(&self, id: u64) -> Option<GoneReason> {
        self.events.iter().find_map(|event| match event {
            Output::Gone { peer, why } if peer.0 == id => Some(*why),
            _ => None,
        })
    }

    /// Lets time pass and processes everything that becomes due.
    pub(in crate::tests) fn run(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        loop {
            self.settle();
            let pages = self.pages.iter().map(|page| page.deadline);
            let flying = self.flying.peek().map(|Reverse((at, ..))| *at);
            let next = pages.chain(self.sfu.next_deadline()).chain(flying).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = next.max(self.now + Duration::from_micros(100));
        }
        self.now = until;
        self.settle();
    }

    /// Like `run`, with the pages sending an audio packet every 20 ms and a picture every 100 ms.
    pub(in crate::tests) fn talk(&mut self, pages: &[usize], ms: u64) {
        for step in 0..ms / 20 {
            for page in pages {
                self.say(*page);
                if step % 5 == 0 {
                    self.show(*page, step == 0);
                }
            }
            self.run(20);
        }
    }

    pub(in crate::tests) fn say(&mut self, page: usize) {
        let now = self.now;
        let page = &mut self.pages[page];
        page.audio += 1;
        let timestamp = u32::try_from(page.audio * 960).unwrap();
        let pt = page.pt(str0m::format::Codec::Opus);
        let payload = page.audio.to_be_bytes().to_vec();
        let packet = RtpWrite::new(pt, (page.audio + 30_000).into(), timestamp, now, payload);
        let mut api = page.rtc.direct_api();
        api.stream_tx_by_mid(page.microphone, None).unwrap().write_rtp(packet);
        page.deadline = now;
    }

    /// Sends a picture of one packet: a keyframe if one was requested or `key` is set.
    pub(in crate::tests) fn show(&mut self, page: usize, key: bool) {
        let now = self.now;
        let page = &mut self.pages[page];
        let key = key || std::mem::take(&mut page.keyframes_asked) > 0;
        page.video += 1;
        let timestamp = u32::try_from(page.video * 9000).unwrap();
        let pt = page.pt(str0m::format::Codec::Vp8);
        let mut payload = vec![0x10, u8::from(!key)];
        payload.extend(page.video.to_be_bytes());
        let packet =
            RtpWrite::new(pt, (page.video + 60_000).into(), timestamp, now, payload).marker(true).nackable(true);
        let mut api = page.rtc.direct_api();
        api.stream_tx_by_mid(page.camera, None).unwrap().write_rtp(packet);
        page.deadline = now;
    }

    /// Sends a keyframe of one packet of this size.
    pub(in crate::tests) fn show_large(&mut self, page: usize, bytes: usize) {
        let now = self.now;
        let page = &mut self.pages[page];
        page.video += 1;
        let timestamp = u32::try_from(page.video * 9000).unwrap();
        let payload = [vec![0x10, 0], vec![7; bytes]].concat();
        let pt = page.pt(str0m::format::Codec::Vp8);
        let packet = RtpWrite::new(pt, (page.video + 60_000).into(), timestamp, now, payload).marker(true);
        let mut api = page.rtc.direct_api();
        api.stream_tx_by_mid(page.camera, None).unwrap().write_rtp(packet);
        page.deadline = now;
    }

    /// Sends a datagram to the server from any address.
    pub(in crate::tests) fn datagram_from(&mut self, source: &str, contents: &[u8]) {
        let input = Input::Datagram {
            transport: Transport::Udp,
            source: source.parse().unwrap(),
            destination: SERVER_UDP.parse().unwrap(),
            contents,
        };
        self.sfu.handle_input(self.now, input);
    }

    /// Delivers datagrams until nothing is left to do at this time.
    pub(in crate::tests) fn settle(&mut self) {
        loop {
            if self.sfu.next_deadline().is_some_and(|at| at <= self.now) {
                self.sfu.handle_input(self.now, Input::Timeout);
            }
            let mut quiet = true;
            while self.flying.peek().is_some_and(|Reverse((at, ..))| *at <= self.now) {
                if let Some(Reverse((_, _, datagram))) = self.flying.pop() {
                    quiet = false;
                    self.land(datagram);
                }
            }
            while let Some(output) = self.sfu.poll_output() {
                match output {
                    Output::Transmit(transmit) => {
                        quiet = false;
                        self.deliver(&transmit);
                    }
                    event => self.events.push(event),
                }
            }
            for number in 0..self.pages.len() {
                let page = &mut self.pages[number];
                if page.deadline <= self.now {
                    page.deadline = self.now + Duration::from_millis(1);
                    page.closed |= page.rtc.handle_input(str0m::Input::Timeout(self.now)).is_err();
                }
                let sent = page.poll(self.now);
                quiet &= sent.is_empty();
                let (unplugged, outside) = (page.unplugged, page.outside);
                for (source, destination, contents) in sent {
                    let source = outside.unwrap_or(source);
                    if let Some(captured) = &mut self.pages[number].captured {
                        captured.push(contents);
                        continue;
                    }
                    if !unplugged && !self.pages[number].loses(&contents) {
                        self.fly(number, true, Flying::Up { page: number, source, destination, contents });
                    }
                }
            }
            if quiet {
                return;
            }
        }
    }

    /// Puts a datagram in flight over the page's link.
    fn fly(&mut self, page: usize, up: bool, datagram: Flying) {
        let Some(link) = &mut self.pages[page].link else { return self.land(datagram) };
        for time in link.carry(up) {
            self.flown += 1;
            self.flying.push(Reverse((self.now + time, self.flown, datagram.clone())));
        }
    }

    fn land(&mut self, datagram: Flying) {
        let now = self.now;
        match datagram {
            Flying::Up { page, source, destination, contents } => {
                let transport = self.pages[page].transport;
                let input = Input::Datagram { transport, source, destination, contents: &contents };
                self.sfu.handle_input(now, input);
            }
            Flying::Down { page, source, contents } => {
                let page = &mut self.pages[page];
                let proto = crate::engine::protocol(page.transport);
                let receive = Receive::new(proto, source, page.address, &contents).unwrap();
                page.closed |= page.rtc.handle_input(str0m::Input::Receive(now, receive)).is_err();
                page.poll_events(now);
            }
        }
    }

    fn deliver(&mut self, transmit: &Transmit) {
        // After a rebinding, the NAT drops packets to the old address.
        let at = |page: &Page| page.outside.unwrap_or(page.address) == transmit.destination;
        let Some(number) = self.pages.iter().position(at) else {
            self.stray.push(transmit.clone());
            return;
        };
        let page = &mut self.pages[number];
        if page.unplugged {
            return;
        }
        assert_eq!(page.transport, transmit.transport);
        if transmit.class != MediaClass::Control {
            page.sizes.push(transmit.contents.len());
        } else {
            page.largest_control = page.largest_control.max(transmit.contents.len());
        }
        let mut waits = Duration::ZERO;
        if let Some((bits, free)) = &mut page.narrow {
            let begins = self.now.max(*free);
            let ends = begins + Duration::from_micros(transmit.contents.len() as u64 * 8_000_000 / *bits);
            if begins - self.now > Duration::from_secs(1) {
                // The queue is full.
                return;
            }
            (*free, waits) = (ends, ends - self.now);
        }
        let datagram = Flying::Down { page: number, source: transmit.source, contents: transmit.contents.clone() };
        if waits.is_zero() {
            return self.fly(number, false, datagram);
        }
        self.flown += 1;
        self.flying.push(Reverse((self.now + waits, self.flown, datagram)));
    }

    /// Returns what a page received in one of its slots since the last call.
    pub(in crate::tests) fn take(&mut self, page: usize, mid: impl Fn(&Page) -> Mid) -> Vec<Received> {
        let page = &mut self.pages[page];
        let mid = mid(page);
        let (taken, kept) = std::mem::take(&mut page.received).into_iter().partition(|packet| packet.mid == mid);
        page.received = kept;
        taken
    }

    pub(in crate::tests) fn forget_media(&mut self) {
        for page in &mut self.pages {
            page.received.clear();
        }
    }
}

type Sent = (SocketAddr, SocketAddr, Vec<u8>);

impl Page {
    fn loses(&mut self, datagram: &[u8]) -> bool {
        let Some(loss) = self.loss.filter(|_| datagram[0] >= 128) else { return false };
        self.lossy += 1;
        self.lossy.is_multiple_of(loss)
    }

    pub(in crate::tests) fn pt(&self, codec: str0m::format::Codec) -> Pt {
        self.rtc.codec_config().find(|params| params.spec().codec == codec).unwrap().pt()
    }

    fn poll_events(&mut self, now: Instant) {
        loop {
            let Ok(output) = self.rtc.poll_output() else {
                self.closed = true;
                self.deadline = now + Duration::from_secs(3600);
                break;
            };
            match output {
                str0m::Output::Timeout(at) => {
                    self.deadline = at.max(now + Duration::from_millis(1));
                    break;
                }
                str0m::Output::Transmit(transmit) => {
                    self.outbox.push_back((transmit.source, transmit.destination, transmit.contents.into()));
                }
                str0m::Output::Event(Event::RtpPacket(packet)) => {
                    let ssrc = packet.header.ssrc;
                    let mid = self.rtc.direct_api().stream_rx(&ssrc).unwrap().mid();
                    self.received.push(Received {
                        mid,
                        pt: *packet.header.payload_type,
                        sequence: *packet.seq_no,
                        timestamp: packet.header.timestamp,
                        payload: packet.payload.to_vec(),
                        transport_cc: packet.header.ext_vals.transport_cc.is_some(),
                    });
                }
                str0m::Output::Event(Event::KeyframeRequest(request)) => {
                    self.keyframes_asked += 1;
                    self.keyframes_of.push(request.rid);
                }
                str0m::Output::Event(Event::IceConnectionStateChange(state)) => self.ice = Some(state),
                str0m::Output::Event(Event::Closed) => self.closed = true,
                str0m::Output::Event(_) => (),
            }
        }
    }

    fn poll(&mut self, now: Instant) -> VecDeque<Sent> {
        self.poll_events(now);
        std::mem::take(&mut self.outbox)
    }
}
