//! ICE-TCP (RFC 6544): connections that carry what UDP would, for networks that block UDP.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bedside_sfu::{MediaClass, Packet, Transmit, classify, rfc4571};
use mio::{Interest, Registry, Token};
use socket2::{Protocol, Type};

use super::error::MediaError;
use super::udp::{bound, canonical};

/// A connection must show what it is for within this time.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// A browser checks the connection every few seconds.
const SILENCE: Duration = Duration::from_secs(30);
const MAX_CONNECTIONS: usize = 256;
const MAX_PER_IP: usize = 16;
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
}

struct Connection {
    stream: mio::net::TcpStream,
    remote: SocketAddr,
    local: Option<IpAddr>,
    decoder: rfc4571::Decoder,
    unsent: Vec<u8>,
    opened: Instant,
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
        let of_ip = self.connections.values().filter(|connection| connection.remote.ip() == remote.ip()).count();
        if self.connections.len() >= MAX_CONNECTIONS || of_ip >= MAX_PER_IP {
            return;
        }
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
            opened: now,
            heard: None,
        };
        self.by_address.insert(remote, token);
        self.connections.insert(token, connection);
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

    /// Closes connections that nobody uses.
    pub(super) fn sweep(&mut self, registry: &Registry, now: Instant) {
        let idle = |connection: &Connection| match connection.heard {
            Some(heard) => now.saturating_duration_since(heard) > SILENCE,
            None => now.saturating_duration_since(connection.opened) > INTRODUCTION,
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
