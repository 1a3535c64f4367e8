//! The floor: a server that receives, decrypts, encrypts and sends like a media server as cheaply as the kernel allows,
//! and does nothing else. It has no RTP, RTCP, ICE, congestion control or retransmission.

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::process::Command;

use aws_lc_rs::aead::LessSafeKey;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tempfile::TempDir;

use crate::bare::{Bare, hello, key_of, open, seal};
use crate::error::BenchError;
use crate::generator::Generator;
use crate::network::Network;
use crate::options::Load;
use crate::process::resident;
use crate::program::{Program, free_port};

/// Maximum bytes in one GSO send.
const MAX_RUN: usize = 60_000;

/// The floor's process.
pub(crate) struct Floor {
    program: Program,
    address: SocketAddr,
    /// Resident memory in KiB before anyone joined.
    pub(crate) resident_before: u64,
    _folder: TempDir,
}

impl Floor {
    pub(crate) fn start(network: &Network) -> Result<Self, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::system("creating a folder for the log"))?;
        let address = SocketAddr::new(network.address, free_port()?);
        let own = std::env::current_exe().map_err(BenchError::system("the path of this executable"))?;
        let mut command = Command::new(own);
        command.args(["--be-the-floor", &address.to_string()]);
        let program = Program::start(&mut command, &folder.path().join("log"))?;
        Ok(Self { program, address, resident_before: 0, _folder: folder })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Lets all participants join.
    pub(crate) fn fill(&mut self, load: &Load, network: &Network, generator: &mut Generator) -> Result<(), BenchError> {
        self.resident_before = resident(self.pid());
        let others = load.others();
        for room in 0..load.visits {
            for number in 0..load.people {
                let who = (room, room * load.people + number);
                generator.add(Bare::player(network.address, self.address, who, load, others)?);
            }
        }
        Ok(())
    }
}

/// A participant who announced themselves.
struct Peer {
    room: u32,
    key: LessSafeKey,
}

/// A packet to send.
struct Outgoing {
    destination: SocketAddr,
    contents: Vec<u8>,
}

/// Runs the floor's server until it is killed.
pub(crate) fn serve(address: SocketAddr) -> Result<(), BenchError> {
    let mut poll = Poll::new().map_err(BenchError::system("epoll"))?;
    let mut socket = UdpSocket::bind(address).map_err(BenchError::system("the floor's socket"))?;
    let state = UdpSocketState::new((&socket).into()).map_err(BenchError::system("the floor's socket"))?;
    let _ = state.set_recv_buffer_size((&socket).into(), 8 << 20);
    let _ = state.set_send_buffer_size((&socket).into(), 8 << 20);
    poll.registry()
        .register(&mut socket, Token(0), Interest::READABLE)
        .map_err(BenchError::system("the floor's socket"))?;
    let mut forwarder = Forwarder::new(socket, state);
    let mut events = Events::with_capacity(16);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled.map_err(BenchError::system("epoll"))?,
        }
        while forwarder.receive() {
            forwarder.send();
        }
    }
}

struct Forwarder {
    socket: UdpSocket,
    state: UdpSocketState,
    peers: HashMap<SocketAddr, Peer>,
    rooms: HashMap<u32, Vec<SocketAddr>>,
    buffers: Vec<Vec<u8>>,
    batch: Vec<Outgoing>,
    /// Unused packet buffers.
    spare: Vec<Vec<u8>>,
    run: Vec<u8>,
}

impl Forwarder {
    fn new(socket: UdpSocket, state: UdpSocketState) -> Self {
        let buffer = (1_600 * state.gro_segments()).min(65_535);
        Self {
            socket,
            state,
            peers: HashMap::new(),
            rooms: HashMap::new(),
            buffers: vec![vec![0; buffer]; BATCH_SIZE],
            batch: Vec::new(),
            spare: Vec::new(),
            run: Vec::with_capacity(MAX_RUN),
        }
    }

    /// Receives a batch and encrypts each packet for its receivers. Returns whether there was one.
    fn receive(&mut self) -> bool {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let mut slices: Vec<IoSliceMut<'_>> = self.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
        let (state, socket) = (&self.state, &self.socket);
        let Ok(count) = socket.try_io(|| state.recv(socket.into(), &mut slices, &mut metas)) else { return false };
        let mut buffers = std::mem::take(&mut self.buffers);
        for (meta, buffer) in metas.iter().zip(&mut buffers).take(count) {
            for contents in buffer[..meta.len].chunks_mut(meta.stride.max(1)) {
                self.forward(meta.addr, contents);
            }
        }
        self.buffers = buffers;
        true
    }

    fn forward(&mut self, source: SocketAddr, contents: &mut [u8]) {
        if let Some((room, number)) = hello(contents) {
            let Ok(key) = key_of(number) else { return };
            if self.peers.insert(source, Peer { room, key }).is_none() {
                self.rooms.entry(room).or_default().push(source);
            }
            self.batch.push(Outgoing { destination: source, contents: contents.to_vec() });
            return;
        }
        let Some(peer) = self.peers.get(&source) else { return };
        if !open(&peer.key, contents) {
            return;
        }
        for destination in self.rooms.get(&peer.room).into_iter().flatten().filter(|other| **other != source) {
            let Some(receiver) = self.peers.get(destination) else { continue };
            let mut copy = self.spare.pop().unwrap_or_default();
            copy.clear();
            copy.extend_from_slice(contents);
            if seal(&receiver.key, &mut copy) {
                self.batch.push(Outgoing { destination: *destination, contents: copy });
            }
        }
    }

    /// Sends the batch. Packets of one size to one receiver are sent in one call, which the kernel segments (GSO).
    fn send(&mut self) {
        self.batch.sort_by_key(|packet| packet.destination);
        let mut rest = self.batch.as_slice();
        while let Some(first) = rest.first() {
            let (run, after) = rest.split_at(run_length(rest, self.state.max_gso_segments()));
            rest = after;
            let contents = if run.len() == 1 {
                first.contents.as_slice()
            } else {
                self.run.clear();
                run.iter().for_each(|packet| self.run.extend_from_slice(&packet.contents));
                self.run.as_slice()
            };
            let transmit = Transmit {
                destination: first.destination,
                ecn: None,
                contents,
                segment_size: (run.len() > 1).then_some(first.contents.len()),
                src_ip: None,
            };
            // Packets that do not fit into the socket buffer are lost.
            let _ = self.socket.try_io(|| self.state.try_send((&self.socket).into(), &transmit));
        }
        self.spare.extend(self.batch.drain(..).map(|packet| packet.contents));
    }
}

/// Returns how many packets can be sent in one call: to one receiver and of one size, except for a smaller last one.
fn run_length(batch: &[Outgoing], most: usize) -> usize {
    let Some(first) = batch.first() else { return 0 };
    let size = first.contents.len();
    let most = most.min(MAX_RUN / size.max(1)).max(1);
    let mut count = 1;
    for packet in batch.iter().skip(1).take(most - 1) {
        if packet.destination != first.destination || packet.contents.len() > size {
            break;
        }
        count += 1;
        if packet.contents.len() < size {
            break;
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(port: u16, bytes: usize) -> Outgoing {
        Outgoing { destination: SocketAddr::from(([127, 0, 0, 1], port)), contents: vec![0; bytes] }
    }

    #[test]
    fn a_run_is_of_one_receiver_and_one_size() {
        let batch = [packet(1, 9), packet(1, 9), packet(1, 5), packet(1, 5), packet(2, 5)];
        assert_eq!(run_length(&batch, 64), 3);
        assert_eq!(run_length(&batch, 2), 2);
        assert_eq!(run_length(&batch[2..], 64), 2);
        assert_eq!(run_length(&[packet(1, 5), packet(1, 9)], 64), 1);
        assert_eq!(run_length(&[], 64), 0);
    }
}
