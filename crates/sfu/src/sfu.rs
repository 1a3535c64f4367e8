//! The SFU: rooms and peers, inputs and outputs.

mod flow;
mod pictures;
mod seats;
mod traffic;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use bedside_visit::{UserId, VisitId};

use crate::command::{Command, Forwarding, Input, PeerId, Transport};
use crate::config::SfuConfig;
use crate::event::{GoneReason, Output};
use crate::peer::Peer;
use crate::room::Room;
use crate::schedule::Schedule;
use crate::statistics::Statistics;

/// Maximum number of buffers kept for reuse: one batch of datagrams.
const MOST_BUFFERS: usize = 256;

/// A selective forwarding unit. See the crate's documentation.
pub struct Sfu {
    config: SfuConfig,
    /// The time of the last input.
    now: Instant,
    peers: HashMap<PeerId, Peer, BuildHasherDefault<PeerIdHasher>>,
    rooms: HashMap<VisitId, Room>,
    by_address: HashMap<(Transport, SocketAddr), PeerId>,
    by_ufrag: HashMap<String, PeerId>,
    /// The streams of all peers, to recognize a page whose address has changed.
    by_stream: HashMap<u32, PeerId>,
    schedule: Schedule,
    /// Peers whose str0m has been written to but not polled.
    dirty: Vec<PeerId>,
    /// Peers to remove once nothing borrows them.
    ending: Vec<(PeerId, GoneReason)>,
    outputs: VecDeque<Output>,
    /// Buffer for decrypted packets.
    plain: Vec<u8>,
    /// Unused buffers for outgoing datagrams.
    buffers: Vec<Vec<u8>>,
    statistics: Statistics,
}

impl Sfu {
    /// Creates an SFU without rooms.
    #[must_use]
    pub fn new(config: SfuConfig, now: Instant) -> Self {
        Self {
            config,
            now,
            peers: HashMap::default(),
            rooms: HashMap::new(),
            by_address: HashMap::new(),
            by_ufrag: HashMap::new(),
            by_stream: HashMap::new(),
            schedule: Schedule::default(),
            dirty: Vec::new(),
            ending: Vec::new(),
            outputs: VecDeque::new(),
            plain: Vec::new(),
            buffers: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// Processes an input. Afterwards, poll the outputs; once per batch of datagrams is enough.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = self.now.max(now);
        match input {
            Input::Datagram { transport, source, destination, contents } => {
                self.statistics.received_packets += 1;
                self.statistics.received_bytes += contents.len() as u64;
                self.datagram(transport, source, destination, contents);
            }
            Input::Command(command) => self.command(command),
            Input::Timeout => self.timeout(),
        }
        self.end_peers();
    }

    /// Returns the next output, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outputs.is_empty() {
            self.flush();
        }
        self.outputs.pop_front()
    }

    /// Takes back the buffer of a sent datagram for reuse.
    pub fn recycle(&mut self, mut contents: Vec<u8>) {
        if self.buffers.len() < MOST_BUFFERS {
            contents.clear();
            self.buffers.push(contents);
        }
    }

    /// Returns when to call `handle_input` with `Timeout`, once `poll_output` returned `None`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.schedule.next()
    }

    /// Sets the candidates for pages that join from now on. Existing connections keep theirs.
    pub fn set_candidates(&mut self, candidates: Vec<(Transport, SocketAddr)>) {
        self.config.candidates = candidates;
    }

    /// Returns whether a STUN check has validated that this address belongs to a current connection.
    #[must_use]
    pub fn is_proved(&self, transport: Transport, source: SocketAddr) -> bool {
        let from = (transport, source);
        self.by_address.get(&from).is_some_and(|id| self.peers.get(id).is_some_and(|peer| peer.has_proved(from)))
    }

    /// Returns the counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics { rooms: self.rooms.len() as u64, peers: self.peers.len() as u64, ..self.statistics }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Join(join) => {
                let peer = join.peer;
                if let Err(why) = self.join(*join) {
                    self.outputs.push_back(Output::Refused { peer, why });
                }
            }
            Command::Renegotiate { peer, offer, ice } => {
                if let Err(why) = self.renegotiate(peer, &offer, &ice) {
                    self.outputs.push_back(Output::Refused { peer, why });
                }
            }
            Command::Leave { peer } => self.ending.push((peer, GoneReason::Left)),
            Command::Admit { room, user, admitted } => {
                self.change_forwarding(room, user, |forwarding| forwarding.admitted = admitted);
            }
            Command::Watch { room, user, most } => self.watch(room, user, most),
            Command::Publish { room, user, microphone, camera } => {
                self.change_forwarding(room, user, |forwarding| {
                    forwarding.microphone = microphone;
                    forwarding.camera = camera;
                });
            }
        }
    }

    fn push_dirty(&mut self, id: PeerId) {
        if self.peers.get(&id).is_some_and(|peer| peer.dirty) {
            self.dirty.push(id);
        }
    }

    fn change_forwarding(&mut self, room: VisitId, user: UserId, change: impl FnOnce(&mut Forwarding)) {
        if let Some(member) = self.rooms.get_mut(&room).and_then(|room| room.member_mut(user)) {
            change(&mut member.forwarding);
            self.connect_routes(room);
        }
    }

    #[cfg(test)]
    pub(crate) fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(&id)
    }

    /// Returns whether this peer's media uses the fast path.
    #[cfg(test)]
    pub(crate) fn goes_short(&self, peer: u64) -> bool {
        self.peers.get(&PeerId(peer)).is_some_and(Peer::has_session)
    }

    /// Returns the number of addresses, fragments, streams and schedule entries held.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> [usize; 4] {
        [self.by_address.len(), self.by_ufrag.len(), self.by_stream.len(), self.schedule.len()]
    }

    #[cfg(test)]
    pub(crate) fn addresses(&self) -> usize {
        self.by_address.len()
    }
}

/// Peer IDs are assigned by the server, so the hash need not resist attacks.
#[derive(Debug, Default)]
struct PeerIdHasher(u64);

impl Hasher for PeerIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
