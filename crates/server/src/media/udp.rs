//! A UDP port: receives in batches, and sends with generic segmentation offload (GSO).

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};

use bedside_sfu::{MediaClass, Transmit};
use mio::Interest;
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
#[cfg(target_os = "linux")]
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery};
use socket2::{Domain, Protocol, Socket, Type};

use super::addresses::Addresses;
use super::error::MediaError;

/// Holds half a second of traffic of a hundred visits. The kernel may grant less (`net.core.rmem_max`).
const SOCKET_BUFFER: usize = 8 << 20;
/// Maximum number of bytes in one GSO send.
const MAX_RUN: usize = 60_000;
/// Maximum number of audio and control packets waiting for the socket.
const MAX_HELD: usize = 1024;

pub(super) struct UdpPort {
    socket: mio::net::UdpSocket,
    state: UdpSocketState,
    v6: bool,
    buffers: Vec<Vec<u8>>,
    batch: Vec<Transmit>,
    held: VecDeque<Transmit>,
    run: Vec<u8>,
    pub(super) send_errors: u64,
}

impl UdpPort {
    pub(super) fn bind(address: SocketAddr) -> Result<Self, MediaError> {
        let failed = |source| MediaError::binding("UDP", address, source);
        let socket = bound(address, Type::DGRAM, Protocol::UDP).map_err(failed)?;
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        let socket = std::net::UdpSocket::from(socket);
        let state = UdpSocketState::new((&socket).into()).map_err(failed)?;
        #[cfg(target_os = "linux")]
        let_routers_cut(&socket);
        let buffer = 1600 * state.gro_segments();
        Ok(Self {
            socket: mio::net::UdpSocket::from_std(socket),
            state,
            v6: address.is_ipv6(),
            buffers: vec![vec![0; buffer.min(65_535)]; BATCH_SIZE],
            batch: Vec::new(),
            held: VecDeque::new(),
            run: Vec::with_capacity(MAX_RUN),
            send_errors: 0,
        })
    }

    /// Returns whether datagrams are sent without "don't fragment", ignoring any path MTU that the kernel has
    /// learned.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn may_be_cut(&self) -> bool {
        sockopt::ip_mtu_discover(&self.socket) == Ok(Ipv4PathMtuDiscovery::INTERFACE)
    }

    pub(super) fn local_port(&self) -> io::Result<u16> {
        Ok(self.socket.local_addr()?.port())
    }

    pub(super) fn register(&mut self, registry: &mio::Registry, token: mio::Token) -> io::Result<()> {
        // Not registered for writing, because the kernel reports every sent datagram as writable space. Packets that
        // did not fit are retried on a timer.
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    /// Receives one batch and passes on each datagram with its local address. Returns whether there may be more.
    pub(super) fn receive(&mut self, mut datagram: impl FnMut(SocketAddr, Option<IpAddr>, &[u8])) -> bool {
        let mut metas = [RecvMeta::default(); BATCH_SIZE];
        let received = {
            let mut slices: Vec<IoSliceMut<'_>> = self.buffers.iter_mut().map(|b| IoSliceMut::new(b)).collect();
            let (state, socket) = (&self.state, &self.socket);
            socket.try_io(|| state.recv(socket.into(), &mut slices, &mut metas))
        };
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // For example an ICMP error caused by an earlier datagram.
            Err(_) => return true,
        };
        for (meta, buffer) in metas.iter().zip(&self.buffers).take(count) {
            let source = canonical(meta.addr);
            for contents in buffer[..meta.len].chunks(meta.stride.max(1)) {
                datagram(source, meta.dst_ip, contents);
            }
        }
        // A partial batch has emptied the socket. The poller reports later datagrams again.
        count == BATCH_SIZE
    }

    /// Adds a datagram to the batch.
    pub(super) fn push(&mut self, transmit: Transmit) {
        self.batch.push(transmit);
    }

    /// Sends the batch, grouped by destination and in order within each group.
    pub(super) fn flush(&mut self, addresses: &Addresses, mut sent: impl FnMut(Vec<u8>)) {
        let mut batch = std::mem::take(&mut self.batch);
        if !self.held.is_empty() {
            batch.splice(0..0, self.held.drain(..));
        }
        batch.sort_by_key(|transmit| (transmit.destination, transmit.source));
        let most = self.state.max_gso_segments();
        let mut rest = batch.as_slice();
        while let Some(first) = rest.first() {
            let count = run_length(rest, most);
            let (run, after) = rest.split_at(count);
            rest = after;
            match self.send(first, run, addresses.source(first.source)) {
                Ok(()) => (),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.hold(run),
                // A device may refuse GSO. quinn-udp then stops using it, and the datagrams are sent one by one.
                Err(_) if count > 1 => {
                    for transmit in run {
                        let alone = std::slice::from_ref(transmit);
                        if self.send(transmit, alone, addresses.source(transmit.source)).is_err() {
                            self.send_errors += 1;
                        }
                    }
                }
                Err(_) => self.send_errors += 1,
            }
        }
        batch.drain(..).for_each(|transmit| sent(transmit.contents));
        self.batch = batch;
    }

    /// Returns whether packets are waiting for the socket.
    pub(super) fn is_blocked(&self) -> bool {
        !self.held.is_empty()
    }

    fn send(&mut self, first: &Transmit, run: &[Transmit], source: Option<IpAddr>) -> io::Result<()> {
        let contents = if run.len() == 1 {
            first.contents.as_slice()
        } else {
            self.run.clear();
            run.iter().for_each(|transmit| self.run.extend_from_slice(&transmit.contents));
            self.run.as_slice()
        };
        let transmit = quinn_udp::Transmit {
            destination: if self.v6 { mapped(first.destination) } else { first.destination },
            ecn: None,
            contents,
            segment_size: (run.len() > 1).then_some(first.contents.len()),
            src_ip: source.map(|ip| if self.v6 { mapped(SocketAddr::new(ip, 0)).ip() } else { ip }),
        };
        let (state, socket) = (&self.state, &self.socket);
        socket.try_io(|| state.try_send(socket.into(), &transmit))
    }

    /// Handles a full socket: drops video and queues the rest.
    fn hold(&mut self, run: &[Transmit]) {
        for transmit in run {
            if transmit.class == MediaClass::Video || self.held.len() >= MAX_HELD {
                self.send_errors += 1;
            } else {
                self.held.push_back(transmit.clone());
            }
        }
    }
}

/// Allows routers to fragment datagrams. Browsers send packets of 1,200 bytes, and some tunnels carry less. With
/// "don't fragment", which quinn-udp sets for QUIC, such a tunnel would drop all video, and without ICMP the loss
/// would go unnoticed. IPv6 carries 1,280 bytes everywhere. The kernel compares the GSO segment size with the
/// interface MTU, not with the path MTU.
#[cfg(target_os = "linux")]
fn let_routers_cut(socket: &std::net::UdpSocket) {
    if let Err(error) = sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::INTERFACE) {
        tracing::warn!(%error, "cannot allow IP fragmentation, large media packets may be dropped");
    }
}

/// Returns how many datagrams from the start of the batch can be sent together: same source and destination, and
/// equal size except for the last.
fn run_length(batch: &[Transmit], most: usize) -> usize {
    let first = &batch[0];
    let size = first.contents.len();
    let (mut count, mut total) = (1, size);
    for next in &batch[1..] {
        let length = next.contents.len();
        let same_way = next.destination == first.destination && next.source == first.source;
        if count >= most || !same_way || length > size || total + length > MAX_RUN {
            break;
        }
        count += 1;
        total += length;
        if length < size {
            break;
        }
    }
    count
}

/// Returns a bound, non-blocking socket. `::` accepts IPv4 too.
pub(super) fn bound(address: SocketAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    if kind == Type::STREAM {
        // Connections of an earlier process in TIME_WAIT must not block the port.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Converts an IPv4-mapped IPv6 address to IPv4.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use bedside_sfu::Transport;

    use super::*;

    fn transmit(port: u16, length: usize) -> Transmit {
        Transmit {
            transport: Transport::Udp,
            source: SocketAddr::from(([127, 0, 0, 1], 1)),
            destination: SocketAddr::from(([127, 0, 0, 1], port)),
            class: MediaClass::Video,
            contents: vec![0; length],
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn datagrams_may_be_cut_on_their_way() {
        for bind in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            // The third bind fails on machines without IPv6.
            if let Ok(port) = UdpPort::bind(bind.parse().expect("an address")) {
                assert!(port.may_be_cut(), "{bind}");
            }
        }
    }

    #[test]
    fn a_run_is_one_way_and_only_its_last_datagram_is_shorter() {
        let run = |lengths: &[(u16, usize)], most| {
            let batch: Vec<_> = lengths.iter().map(|(port, length)| transmit(*port, *length)).collect();
            run_length(&batch, most)
        };
        assert_eq!(run(&[(1, 100)], 64), 1);
        assert_eq!(run(&[(1, 100), (1, 100), (1, 50), (1, 50)], 64), 3);
        assert_eq!(run(&[(1, 100), (1, 101)], 64), 1);
        assert_eq!(run(&[(1, 100), (2, 100)], 64), 1);
        assert_eq!(run(&[(1, 100); 10], 4), 4);
        assert_eq!(run(&[(1, 1400); 64], 64), 42);
    }
}
