//! ICE-TCP (RFC 6544): carries media over TCP for networks that block UDP.
//!
//! A connection is unverified until a STUN check on it proves that it belongs to a page's media connection.
//! Unverified connections are closed after a few seconds, and the oldest one is closed to make room for a new one, so
//! a client that opens many connections cannot keep pages out.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bedside_sfu::{MediaClass, Packet, Transmit, classify, rfc4571};
use mio::{Interest, Registry, Token};
use socket2::{Protocol, Type};

use super::error::MediaError;
use super::udp::{bound, canonical};
use crate::http::edge::network;

/// Counters of ICE-TCP connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpCounts {
    /// Open connections that belong to a page.
    pub proved: u64,
    /// Open connections that are not verified yet.
    pub strangers: u64,
    /// Connections closed because the limit was reached.
    pub crowded_out: u64,
}

/// Time limit for the STUN check that verifies a connection.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// Timeout of an idle connection. Browsers send a check every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Maximum number of unverified connections, in total and per network. A page is verified within one round trip.
const STRANGERS: usize = 256;
const STRANGERS_OF_NETWORK: usize = 64;
/// Maximum number of verified connections, in total and per network. A hospital may have hundreds behind one address.
const PROVED: usize = 2048;
const PROVED_OF_NETWORK: usize = 1024;
/// How often closing connections because of the limit is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Send buffer size above which video is dropped, so that audio is not delayed behind a second of video.
const VIDEO_BUFFER: usize = 64 * 1024;
/// Send buffer size above which the connection is closed.
const MAX_BUFFER: usize = 256 * 1024;
/// Maximum number of reads from one connection before the others get their turn.
const READS: usize = 16;

pub(super) struct TcpPort {
    listener: mio::net::TcpListener,
    connections: HashMap<Token, Connection>,
    by_address: HashMap<SocketAddr, Token>,
    next: usize,
    /// Connections that have more to read than one turn allowed.
    unread: Vec<Token>,
    buffer: Vec<u8>,
    /// Datagrams dropped because a connection's send buffer was full.
    pub(super) dropped: u64,
    crowded_out: u64,
    logged: Option<Instant>,
}

struct Connection {
    stream: mio::net::TcpStream,
    remote: SocketAddr,
    local: Option<IpAddr>,
    decoder: rfc4571::Decoder,
    unsent: Vec<u8>,
    /// When the connection was accepted or, once it is verified, when it was verified.
    since: Instant,
    proved: bool,
    heard: Option<Instant>,
}

/// A frame and its source.
pub(super) struct Frame<'a> {
    pub(super) source: SocketAddr,
    pub(super) arrived_at: Option<IpAddr>,
    pub(super) contents: &'a [u8],
}

impl TcpPort {
    pub(super) fn bind(address: SocketAddr, first_token: usize) -> Result<Self, MediaError> {
        let failed = |source| MediaError::binding("TCP", address, source);
        let socket = bound(address, Type::STREAM, Protocol::TCP).map_err(failed)?;
        socket.listen(128).map_err(failed)?;
        Ok(Self {
            listener: mio::net::TcpListener::from_std(socket.into()),
            connections: HashMap::new(),
            by_address: HashMap::new(),
            next: first_token,
            unread: Vec::new(),
            buffer: vec![0; 16 * 1024],
            dropped: 0,
            crowded_out: 0,
            logged: None,
        })
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.listener, token, Interest::READABLE)
    }

    /// Accepts pending connections, up to the limits.
    pub(super) fn accept(&mut self, registry: &Registry, now: Instant) {
        loop {
            match self.listener.accept() {
                Ok((stream, remote)) => self.admit(registry, now, stream, canonical(remote)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => (),
                Err(_) => return,
            }
        }
    }

    fn admit(&mut self, registry: &Registry, now: Instant, mut stream: mio::net::TcpStream, remote: SocketAddr) {
        self.make_room(registry, now, remote.ip());
        let token = Token(self.next);
        self.next += 1;
        let _ = stream.set_nodelay(true);
        if registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err() {
            return;
        }
        let local = stream.local_addr().ok().map(|address| address.ip());
        let connection = Connection {
            stream,
            remote,
            local,
            decoder: rfc4571::Decoder::new(),
            unsent: Vec::new(),
            since: now,
            proved: false,
            heard: None,
        };
        self.by_address.insert(remote, token);
        self.connections.insert(token, connection);
    }

    /// Closes the oldest unverified connection if a limit is reached. If the limit of the new connection's network is
    /// reached, closes the oldest one of that network.
    fn make_room(&mut self, registry: &Registry, now: Instant, newcomer: IpAddr) {
        let home = network(newcomer);
        let oldest = |of_home: bool| {
            let strangers = self.connections.iter().filter(|(_, c)| !c.proved);
            let counted = strangers.filter(|(_, c)| !of_home || network(c.remote.ip()) == home);
            let (count, oldest) =
                counted.fold((0, None), |(count, oldest): (usize, Option<(Instant, Token)>), (t, c)| {
                    let first = oldest.filter(|(since, _)| *since <= c.since).unwrap_or((c.since, *t));
                    (count + 1, Some(first))
                });
            (count, oldest.map(|(_, token)| token))
        };
        let gives_way = match (oldest(true), oldest(false)) {
            ((count, token), _) if count >= STRANGERS_OF_NETWORK => token,
            (_, (count, token)) if count >= STRANGERS => token,
            _ => return,
        };
        if let Some(token) = gives_way {
            self.crowd_out(registry, now, token);
        }
    }

    fn crowd_out(&mut self, registry: &Registry, now: Instant, token: Token) {
        self.crowded_out += 1;
        if self.logged.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY) {
            self.logged = Some(now);
            let TcpCounts { proved, strangers, crowded_out } = self.counts();
            tracing::warn!(proved, strangers, crowded_out, "ICE-TCP connection limit reached, closing a connection");
        }
        self.close(registry, token);
    }

    /// Returns the current counters.
    pub(super) fn counts(&self) -> TcpCounts {
        let proved = self.connections.values().filter(|connection| connection.proved).count() as u64;
        let strangers = self.connections.len() as u64 - proved;
        TcpCounts { proved, strangers, crowded_out: self.crowded_out }
    }

    /// Returns the remote address of a connection, if it is unverified.
    pub(super) fn stranger(&self, token: Token) -> Option<SocketAddr> {
        self.connections.get(&token).filter(|connection| !connection.proved).map(|connection| connection.remote)
    }

    /// Marks a connection as verified after a successful STUN check.
    pub(super) fn prove(&mut self, registry: &Registry, now: Instant, token: Token) {
        let Some(home) = self.stranger(token).map(|remote| network(remote.ip())) else { return };
        let proved = || self.connections.values().filter(|connection| connection.proved);
        let of_home = proved().filter(|connection| network(connection.remote.ip()) == home).count();
        if of_home >= PROVED_OF_NETWORK || proved().count() >= PROVED {
            return self.crowd_out(registry, now, token);
        }
        if let Some(connection) = self.connections.get_mut(&token) {
            (connection.proved, connection.since) = (true, now);
        }
    }

    /// Returns whether a connection has more to read immediately.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    pub(super) fn take_unread(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.unread)
    }

    /// Reads from a connection and passes on its frames.
    pub(super) fn read(&mut self, registry: &Registry, token: Token, now: Instant, frame: impl FnMut(Frame<'_>)) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        match connection.read(&mut self.buffer, now, frame) {
            Ok(true) => self.unread.push(token),
            Ok(false) => (),
            Err(Ended) => self.close(registry, token),
        }
    }

    pub(super) fn writable(&mut self, registry: &Registry, token: Token) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if connection.write().is_err() {
            self.close(registry, token);
        }
    }

    pub(super) fn send(&mut self, registry: &Registry, transmit: &Transmit) {
        let Some(token) = self.by_address.get(&transmit.destination).copied() else { return };
        let Some(connection) = self.connections.get_mut(&token) else { return };
        match connection.send(transmit) {
            Ok(true) => (),
            Ok(false) => self.dropped += 1,
            Err(Ended) => self.close(registry, token),
        }
    }

    /// Returns when to call `sweep`, or `None` if there are no connections.
    pub(super) fn next_sweep(&self, now: Instant) -> Option<Instant> {
        (!self.connections.is_empty()).then(|| now + Duration::from_secs(1))
    }

    /// Closes connections that are idle or have not been verified in time. A verified connection becomes unverified
    /// again when `is_proved` returns false for its address, because it no longer belongs to a page.
    pub(super) fn sweep(&mut self, registry: &Registry, now: Instant, is_proved: impl Fn(SocketAddr) -> bool) {
        for connection in self.connections.values_mut().filter(|connection| connection.proved) {
            if !is_proved(connection.remote) {
                (connection.proved, connection.since) = (false, now);
            }
        }
        let idle = |connection: &Connection| {
            let lasts = |since: Instant| now.saturating_duration_since(since);
            let silent = connection.heard.is_none_or(|heard| lasts(heard) > SILENCE);
            if connection.proved { silent } else { lasts(connection.since) > INTRODUCTION }
        };
        let idle: Vec<Token> = self.connections.iter().filter(|(_, c)| idle(c)).map(|(token, _)| *token).collect();
        for token in idle {
            self.close(registry, token);
        }
    }

    fn close(&mut self, registry: &Registry, token: Token) {
        if let Some(mut connection) = self.connections.remove(&token) {
            let _ = registry.deregister(&mut connection.stream);
            if self.by_address.get(&connection.remote) == Some(&token) {
                self.by_address.remove(&connection.remote);
            }
        }
    }
}

/// The connection has ended or must be closed.
struct Ended;

impl Connection {
    /// Reads frames. Returns whether there may be more to read.
    fn read(&mut self, buffer: &mut [u8], now: Instant, mut frame: impl FnMut(Frame<'_>)) -> Result<bool, Ended> {
        for _ in 0..READS {
            let count = match self.stream.read(buffer) {
                Ok(0) => return Err(Ended),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Ended),
            };
            let (source, arrived_at, heard) = (self.remote, self.local, &mut self.heard);
            let mut stranger = false;
            let cut = self.decoder.push(&buffer[..count], |contents| {
                // The first packet must be the ICE check of a browser.
                stranger |= heard.is_none() && !matches!(classify(contents), Some(Packet::BindingRequest { .. }));
                if !stranger {
                    *heard = Some(now);
                    frame(Frame { source, arrived_at, contents });
                }
            });
            if cut.is_err() || stranger {
                return Err(Ended);
            }
        }
        Ok(true)
    }

    /// Sends or buffers a packet. Returns false if it was dropped.
    fn send(&mut self, transmit: &Transmit) -> Result<bool, Ended> {
        if transmit.class == MediaClass::Video && self.unsent.len() > VIDEO_BUFFER {
            return Ok(false);
        }
        if self.unsent.len() > MAX_BUFFER || rfc4571::encode(&transmit.contents, &mut self.unsent).is_err() {
            return Err(Ended);
        }
        self.write().map(|()| true)
    }

    fn write(&mut self) -> Result<(), Ended> {
        let mut written = 0;
        let result = loop {
            if written == self.unsent.len() {
                break Ok(());
            }
            match self.stream.write(&self.unsent[written..]) {
                Ok(0) => break Err(Ended),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => break Ok(()),
                Err(_) => break Err(Ended),
            }
        };
        self.unsent.drain(..written);
        result
    }
}
