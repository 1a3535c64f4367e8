//! ICE-TCP (RFC 6544): connections that carry what UDP would, for networks that block UDP.
//!
//! A connection is a stranger until a STUN check on it has proved that it belongs to a page's media connection. Strangers
//! hold their places for seconds, and the oldest gives way to a newcomer: a client that opens many keeps no page out.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bedside_sfu::{MediaClass, Packet, Transmit, classify, rfc4571};
use mio::{Interest, Registry, Token};
use socket2::{Protocol, Type};

use super::error::MediaError;
use super::udp::{bound, canonical};
use crate::edge::network;

/// How many ICE-TCP connections there are, and what became of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpCounts {
    /// Open, of pages.
    pub proved: u64,
    /// Open, of strangers.
    pub strangers: u64,
    /// Closed because all places were taken.
    pub crowded_out: u64,
}

/// A connection must prove whose it is within this time.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// A browser checks the connection every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// Strangers at once, in all and of one network. A page proves itself in one round trip.
const STRANGERS: usize = 256;
const STRANGERS_OF_NETWORK: usize = 64;
/// Connections of pages at once, in all and of one network: a hospital has hundreds behind one address.
const PROVED: usize = 2048;
const PROVED_OF_NETWORK: usize = 1024;
/// How often it is logged that connections were closed for want of places.
const LOG_EVERY: Duration = Duration::from_secs(60);
/// Above it pictures are dropped: sound must not wait behind a second of them.
const VIDEO_BUFFER: usize = 64 * 1024;
/// Above it the connection is of no use any more.
const MAX_BUFFER: usize = 256 * 1024;
/// Reads of one connection before the others have their turn.
const READS: usize = 16;

pub(super) struct TcpPort {
    listener: mio::net::TcpListener,
    connections: HashMap<Token, Connection>,
    by_address: HashMap<SocketAddr, Token>,
    next: usize,
    /// Connections with more to read than their turn allowed.
    unread: Vec<Token>,
    buffer: Vec<u8>,
    /// Datagrams that were not sent because a connection did not take what was sent before.
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
    /// Since when it is what it is: a stranger, or proved.
    since: Instant,
    proved: bool,
    heard: Option<Instant>,
}

/// A frame and where it came from.
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

    /// Accepts what waits, within the bounds.
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

    /// Closes the oldest stranger if there are too many, of the newcomer's network if it is that which has too many.
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

    /// How many there are.
    pub(super) fn counts(&self) -> TcpCounts {
        let proved = self.connections.values().filter(|connection| connection.proved).count() as u64;
        let strangers = self.connections.len() as u64 - proved;
        TcpCounts { proved, strangers, crowded_out: self.crowded_out }
    }

    /// The address of a connection that is a stranger.
    pub(super) fn stranger(&self, token: Token) -> Option<SocketAddr> {
        self.connections.get(&token).filter(|connection| !connection.proved).map(|connection| connection.remote)
    }

    /// A STUN check proved that a connection is of a page.
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

    /// Whether a connection has more to read without waiting.
    pub(super) fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    pub(super) fn take_unread(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.unread)
    }

    /// Reads a connection and hands over its frames.
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

    /// When `sweep` is to be called, if there is anything to sweep.
    pub(super) fn next_sweep(&self, now: Instant) -> Option<Instant> {
        (!self.connections.is_empty()).then(|| now + Duration::from_secs(1))
    }

    /// Closes connections that are of no use. `is_proved`: whether a page still has one from there.
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

/// A connection has ended, or must.
struct Ended;

impl Connection {
    /// Says whether there may be more to read.
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
                // Only a browser's ICE check may open the conversation.
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

    /// Says whether it was sent, or will be.
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
