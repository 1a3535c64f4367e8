//! A UDP socket with the kernel's receive timestamps.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd as _;

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use nix::cmsg_space;
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;

use crate::clock;
use crate::error::BenchError;

/// Larger than any datagram used here.
const MOST: usize = 2_048;

/// The socket of one participant.
pub(crate) struct Socket {
    socket: UdpSocket,
    local: SocketAddr,
}

/// Receive buffers shared by all sockets.
pub(crate) struct Buffers {
    contents: Vec<u8>,
    control: Vec<u8>,
}

/// A received datagram.
pub(crate) struct Datagram<'a> {
    pub(crate) source: SocketAddr,
    /// When it reached this machine's network stack, as wall clock in nanoseconds. Excludes the time it waited in the
    /// socket buffer.
    pub(crate) arrived: u64,
    pub(crate) contents: &'a [u8],
}

impl Buffers {
    pub(crate) fn new() -> Self {
        Self { contents: vec![0; MOST], control: cmsg_space!(TimeSpec) }
    }
}

impl Socket {
    pub(crate) fn bind(address: IpAddr) -> Result<Self, BenchError> {
        let bound = UdpSocket::bind(SocketAddr::new(address, 0)).map_err(BenchError::system("binding a socket"))?;
        setsockopt(&bound, ReceiveTimestampns, &true).map_err(BenchError::system("SO_TIMESTAMPNS"))?;
        let local = bound.local_addr().map_err(BenchError::system("a socket's address"))?;
        Ok(Self { socket: bound, local })
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.socket, token, Interest::READABLE)
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.socket)
    }

    /// Sends a datagram. Datagrams that do not fit into the socket buffer are lost, as on a network.
    pub(crate) fn send(&self, contents: &[u8], destination: SocketAddr) {
        let _ = self.socket.send_to(contents, destination);
    }

    /// Returns the next datagram, if any.
    pub(crate) fn receive<'a>(&self, buffers: &'a mut Buffers) -> Option<Datagram<'a>> {
        let mut parts = [IoSliceMut::new(&mut buffers.contents)];
        let control = Some(buffers.control.as_mut_slice());
        // Nothing was received, or an ICMP error for an earlier datagram; the next call shows which.
        let received =
            recvmsg::<SockaddrIn>(self.socket.as_raw_fd(), &mut parts, control, MsgFlags::MSG_DONTWAIT).ok()?;
        let source = SocketAddr::V4(SocketAddrV4::from(received.address?));
        let arrived = received.cmsgs().ok()?.find_map(|message| {
            let ControlMessageOwned::ScmTimestampns(at) = message else { return None };
            Some(clock::nanoseconds(at.tv_sec(), at.tv_nsec()))
        });
        let bytes = received.bytes;
        Some(Datagram { source, arrived: arrived.unwrap_or_else(clock::wall), contents: &buffers.contents[..bytes] })
    }
}
