//! Configuration of the SFU.

use std::net::SocketAddr;

use str0m::config::DtlsCert;

use crate::command::Transport;

/// Configuration of an [`Sfu`](crate::Sfu).
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// The server's ICE candidates, i.e. the addresses to which pages send.
    pub candidates: Vec<(Transport, SocketAddr)>,
    /// The DTLS certificate of this process.
    pub certificate: DtlsCert,
    /// Limits.
    pub limits: Limits,
    /// The packet path for media.
    pub path: PacketPath,
}

/// How media packets are processed once a connection is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketPath {
    /// Fast path: SRTP is handled by this crate, bypassing str0m, if AES-GCM was negotiated, as all browsers do. Other
    /// connections use str0m.
    #[default]
    Short,
    /// Everything through str0m. Costs several times as much CPU; the reference to which the fast path is compared.
    Str0m,
}

/// Limits of one SFU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of rooms.
    pub rooms: usize,
    /// Maximum number of participants in a room.
    pub people_per_room: usize,
    /// Maximum number of source addresses per peer.
    pub addresses_per_peer: usize,
    /// Maximum number of outputs waiting to be polled. Above it video is dropped, above twice of it audio as well.
    pub queued_outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rooms: 4096, people_per_room: 9, addresses_per_peer: 8, queued_outputs: 8192 }
    }
}
