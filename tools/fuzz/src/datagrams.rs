//! Fuzzes the SFU with datagrams from any source while two participants are in a call.
//!
//! Input: the initial state, then steps of one byte each with their arguments.
//!
//! ```text
//! 0, 1 or 2                    both are connected, are about to connect, or have joined and stay silent
//! 0 FROM LENGTH(2) BYTES…      any datagram, from an address
//! 1 PAGE WHICH FROM N (AT XOR)…  one of a page's own datagrams, modified, from an address
//! 2 TICKS                      time passes, 20 ms per tick, while both send audio
//! ```
//!
//! Addresses 0 and 1 are the pages' own (spoofed); the others belong to attackers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bedside_sfu::{Input, Output, Packet, PeerId, Sfu, Transport, classify};

use crate::wire::{Bytes, Page, join, server, server_address, start};

const TICK: Duration = Duration::from_millis(20);

/// Runs one input.
///
/// # Panics
///
/// If an invariant is violated.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let mut room = match bytes.byte().unwrap_or(0) % 3 {
        0 => Room::connected(),
        1 => Room::of_two(),
        _ => Room::silent(),
    };
    for _ in 0..64 {
        let Some(step) = bytes.byte() else { break };
        match step % 3 {
            0 => {
                let from = address(bytes.byte().unwrap_or(9));
                room.send(from, bytes.block());
            }
            1 => {
                let page = bytes.byte().unwrap_or(0) % 2;
                let which = usize::from(bytes.byte().unwrap_or(0));
                let from = address(bytes.byte().unwrap_or(9));
                let tampering = usize::from(bytes.byte().unwrap_or(0)) * 2;
                room.replay(page, which, from, bytes.take(tampering));
            }
            _ => room.talk(u32::from(bytes.byte().unwrap_or(0) % 32)),
        }
    }
    room.check();
}

fn address(number: u8) -> (Transport, SocketAddr) {
    let transport = if number < 128 { Transport::Udp } else { Transport::Tcp };
    let ip = match number % 8 {
        page @ 0..2 => return (transport, SocketAddr::from(([198, 51, 100, page + 1], 4000))),
        2 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
        3 => IpAddr::V6(Ipv4Addr::new(198, 51, 100, 1).to_ipv6_mapped()),
        4 => IpAddr::V6(Ipv6Addr::LOCALHOST),
        5 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        6 => return (transport, server_address()),
        _ => IpAddr::V4(Ipv4Addr::BROADCAST),
    };
    (transport, SocketAddr::new(ip, 4000))
}

struct Room {
    sfu: Sfu,
    now: Instant,
    pages: Vec<Page>,
    gone: Vec<PeerId>,
    /// Both were connected before the first attack.
    connected: bool,
    /// A page's own STUN check was replayed from another address. The sender of such a replay may take over the path
    /// briefly, as with any ICE implementation.
    check_replayed: bool,
}

impl Room {
    fn connected() -> Self {
        let mut room = Self::of_two();
        room.connected = true;
        room.pass(Duration::from_millis(400));
        room.talk(3);
        assert!(room.pages.iter().all(|page| page.heard > 0), "audio flows between two honest pages");
        room
    }

    fn of_two() -> Self {
        let mut room = Self::empty();
        for number in [1, 2] {
            let (mut page, offer) = Page::new(number, room.now);
            page.take_answer(&room.join(number, offer));
            room.pages.push(page);
        }
        room
    }

    /// Without a DTLS handshake a run is fast.
    fn silent() -> Self {
        static OFFERS: LazyLock<[String; 2]> = LazyLock::new(|| [1, 2].map(|number| Page::new(number, start()).1));
        let mut room = Self::empty();
        for (number, offer) in (1..).zip(&*OFFERS) {
            room.join(number, offer.clone());
        }
        room
    }

    fn empty() -> Self {
        let (sfu, now) = (server(), start());
        Self { sfu, now, pages: Vec::new(), gone: Vec::new(), connected: false, check_replayed: false }
    }

    /// Returns the answer.
    fn join(&mut self, number: u8, offer: String) -> String {
        let person = u128::from(number);
        self.sfu.handle_input(self.now, Input::Command(join(u64::from(number), person, 3 - person, offer)));
        let outputs = std::iter::from_fn(|| self.sfu.poll_output());
        let answer = |output| if let Output::Answered { sdp, .. } = output { Some(sdp) } else { None };
        outputs.filter_map(answer).last().expect("an answer to an honest offer")
    }

    fn send(&mut self, (transport, source): (Transport, SocketAddr), contents: &[u8]) {
        check_kind(contents);
        let input = Input::Datagram { transport, source, destination: server_address(), contents };
        self.sfu.handle_input(self.now, input);
        self.settle();
    }

    fn replay(&mut self, page: u8, which: usize, from: (Transport, SocketAddr), tampering: &[u8]) {
        let Some(Page { sent, .. }) = self.pages.get(usize::from(page)) else { return };
        let Some(mut datagram) = sent.get(which % sent.len().max(1)).cloned() else { return };
        for change in tampering.chunks_exact(2) {
            let at = usize::from(change[0]) * datagram.len() / 256;
            datagram[at] ^= change[1];
        }
        self.check_replayed |= datagram.first().is_some_and(|first| *first < 4);
        self.send(from, &datagram);
    }

    /// Lets time pass while both send audio.
    fn talk(&mut self, ticks: u32) {
        for _ in 0..ticks {
            for page in &mut self.pages {
                page.say(self.now);
            }
            self.pass(TICK);
        }
    }

    fn pass(&mut self, time: Duration) {
        self.pass_until(self.now + time);
    }

    fn pass_until(&mut self, until: Instant) {
        self.settle();
        loop {
            let next = self.pages.iter().map(Page::deadline).chain(self.sfu.next_deadline()).min();
            match next {
                Some(next) if next < until => self.now = self.now.max(next) + Duration::from_micros(100),
                Some(_) | None => break,
            }
            self.settle();
        }
        self.now = until;
    }

    /// Delivers everything both sides send at this time.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < 100, "endless exchange without time passing");
            if self.sfu.next_deadline().is_some_and(|at| at <= self.now) {
                self.sfu.handle_input(self.now, Input::Timeout);
            }
            let mut quiet = true;
            while let Some(output) = self.sfu.poll_output() {
                match output {
                    Output::Transmit(transmit) => {
                        let page = self.pages.iter_mut().find(|page| page.address == transmit.destination);
                        match page {
                            Some(page) if transmit.transport == Transport::Udp => {
                                quiet = false;
                                page.receive(self.now, transmit.source, &transmit.contents);
                            }
                            Some(_) | None => assert!(
                                self.check_replayed,
                                "{} bytes are sent to {}, which is not validated",
                                transmit.contents.len(),
                                transmit.destination
                            ),
                        }
                    }
                    Output::Gone { peer, .. } => self.gone.push(peer),
                    Output::Answered { .. }
                    | Output::Refused { .. }
                    | Output::Up { .. }
                    | Output::Lost { .. }
                    | Output::Wanted { .. }
                    | Output::Speaking { .. } => {}
                }
            }
            for page in &mut self.pages {
                for contents in page.poll(self.now) {
                    quiet = false;
                    let source = page.address;
                    let destination = server_address();
                    let input = Input::Datagram { transport: Transport::Udp, source, destination, contents: &contents };
                    self.sfu.handle_input(self.now, input);
                }
            }
            if quiet {
                break;
            }
        }
    }

    /// Checks that a connected participant stays connected and receives audio, whatever was sent.
    fn check(&mut self) {
        assert_eq!(self.sfu.statistics().panics, 0);
        if !self.connected {
            return;
        }
        assert_eq!(self.gone, [], "forged datagrams end no connection");
        let before = [self.pages[0].heard, self.pages[1].heard];
        if self.check_replayed {
            // By then the page has sent a STUN check.
            self.pass(Duration::from_secs(5));
        }
        self.talk(3);
        for (page, before) in self.pages.iter().zip(before) {
            assert!(page.heard > before, "audio still flows in both directions");
        }
        assert_eq!(self.gone, []);
    }
}

/// Checks the protocol by the first byte (RFC 7983), and that a name is part of the datagram.
fn check_kind(datagram: &[u8]) {
    let first = datagram.first().copied();
    match classify(datagram) {
        Some(Packet::BindingRequest { ufrag, .. }) => {
            assert_eq!(first, Some(0));
            let named = format!("{ufrag}:");
            assert!(datagram.windows(named.len()).any(|part| part == named.as_bytes()));
        }
        Some(Packet::OtherStun) => assert!(matches!(first, Some(0..=3))),
        Some(Packet::Dtls) => assert!(matches!(first, Some(20..=63))),
        Some(Packet::Rtp { .. }) => assert!(matches!(first, Some(128..=191))),
        None => {}
    }
}
