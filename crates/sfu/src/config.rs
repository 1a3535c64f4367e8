//! What the machine is made with.

use std::net::SocketAddr;

use str0m::config::DtlsCert;

use crate::command::Transport;

/// What an [`Sfu`](crate::Sfu) is made with.
#[derive(Debug, Clone)]
pub struct SfuConfig {
    /// Our ICE candidates: the addresses pages are told to send to.
    pub candidates: Vec<(Transport, SocketAddr)>,
    /// The certificate of this process.
    pub certificate: DtlsCert,
    /// Bounds.
    pub limits: Limits,
    /// What packets of media pass through.
    pub path: PacketPath,
}

/// What packets of media pass through, once a connection is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PacketPath {
    /// The short way: opened, rewritten and sealed here, where the connection agreed on AES-GCM, as all browsers do;
    /// the rest through str0m.
    #[default]
    Short,
    /// All through str0m. It costs several times as much, and is what the short way is compared with.
    Str0m,
}

/// Bounds on what one machine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rooms.
    pub rooms: usize,
    /// People in a room.
    pub people_per_room: usize,
    /// Source addresses a peer may send from.
    pub addresses_per_peer: usize,
    /// Outputs waiting to be polled. Above it video is dropped, above twice of it audio too.
    pub queued_outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rooms: 4096, people_per_room: 9, addresses_per_peer: 8, queued_outputs: 8192 }
    }
}
