//! Selects the path on which media is sent to a peer: the one ICE selected, or the one from which the page's media has
//! arrived since.
//!
//! When a NAT rebinds, the page's address changes without the page noticing. Its next STUN check may be seconds away,
//! but its media arrives immediately. So sending follows authenticated packets, as in QUIC connection migration (RFC
//! 9000, section 9): only the newest packet counts, a newer one from the old address reverts the move, and until a STUN
//! check validates the new address it is on probation for a short time with a limit on the bytes sent.
//!
//! A STUN check proves that its sender has the password, not that the host at the source address asked for media: a
//! participant can spoof the address of another host. So an address from which only checks have arrived is on probation
//! as well, with a smaller limit, until DTLS or authenticated media arrives from it. For TCP the handshake has proved
//! that.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::command::Transport;
use crate::event::MediaClass;

/// A page with a microphone sends every 20 ms; an address silent for this long may have been abandoned.
const LEAVING: Duration = Duration::from_millis(60);
/// The same for a page without devices, which sends only RTCP.
const LEFT: Duration = Duration::from_secs(1);
/// Minimum time between two moves.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an address may be on probation. A browser sends a STUN check every 2.5 s.
const PROBATION: Duration = Duration::from_secs(5);
/// After a failed probation, only the missing kind of proof moves the media for this long.
const DISTRUST: Duration = Duration::from_secs(30);
/// Maximum number of packets from unknown addresses tried per second.
const TRIES: u32 = 50;
/// Limit of video bytes to an address on probation, in addition to three times the bytes received from it, as in QUIC.
/// It lasts until the next check even if the page sends only audio.
const ALLOWANCE: u64 = 256 * 1024;
/// Limit of all bytes to an address from which only checks have arrived, in addition to three times the bytes received
/// from it. It lasts a third of a second of a call, within which a genuine page's media arrives.
const UNHEARD_ALLOWANCE: u64 = 64 * 1024;
/// Number of remembered paths from which DTLS or media has arrived.
const ANSWERING: usize = 8;
/// Number of tracked streams. A page sends audio, up to three video layers and their retransmissions; restarting its
/// encoder may add others.
const STREAMS: usize = 10;

/// A network path to a page: transport, local address and remote address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// The state of the path selection of one peer.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    /// The path selected by ICE from which traffic has arrived.
    nominated: Option<Path>,
    /// The path last selected by ICE, whether traffic has arrived from it or not.
    chosen: Option<Path>,
    moved: Option<Moved>,
    /// Paths from which DTLS or authenticated media has arrived, newest last.
    answering: VecDeque<Path>,
    /// When RTP or RTCP last arrived from the current path.
    heard: Option<Instant>,
    /// The newest packet number of each stream.
    newest: Vec<(u32, u64)>,
    last_move: Option<Instant>,
    distrusted: Option<Instant>,
    /// Until when checks alone cannot move the media.
    doubted: Option<Instant>,
    tries: Option<(Instant, u32)>,
}

#[derive(Debug, Clone, Copy)]
struct Moved {
    path: Path,
    probation: Option<Probation>,
}

#[derive(Debug, Clone, Copy)]
struct Probation {
    lacks: Proof,
    until: Instant,
    received: u64,
    sent: u64,
}

/// The kind of proof an address on probation still lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A STUN check. Media has arrived.
    Check,
    /// Media. A STUN check has arrived.
    Media,
}

impl Egress {
    /// Returns the path for a datagram that ICE would send over `nominated`, or `None` if it must not be sent now.
    pub(crate) fn route(&mut self, now: Instant, nominated: Path, class: MediaClass, length: usize) -> Option<Path> {
        self.nominate(now, nominated);
        self.take(class, length)
    }

    /// Sets the path selected by ICE.
    pub(crate) fn nominate(&mut self, now: Instant, nominated: Path) {
        if self.chosen == Some(nominated) {
            return;
        }
        self.chosen = Some(nominated);
        if self.nominated.is_none() || self.has_answered(nominated) {
            // A new decision by ICE takes precedence.
            self.nominated = Some(nominated);
            self.moved = None;
        } else if self.current() != Some(nominated) && self.may_check(now) {
            self.go(now, nominated, Some(Proof::Media));
        }
    }

    /// Records that DTLS or authenticated media arrived over a path validated by a STUN check.
    pub(crate) fn answered(&mut self, path: Path) {
        let newest = self.answering.back() == Some(&path);
        if newest && self.moved.is_none() && self.nominated == Some(path) {
            return;
        }
        if !newest {
            self.answering.retain(|other| *other != path);
            self.answering.push_back(path);
            if self.answering.len() > ANSWERING {
                self.answering.pop_front();
            }
        }
        if let Some(moved) = self.moved.as_mut().filter(|moved| moved.path == path)
            && moved.probation.is_some_and(|probation| probation.lacks == Proof::Media)
        {
            moved.probation = None;
        }
        if self.chosen == Some(path) && self.nominated != Some(path) {
            self.nominated = Some(path);
            self.moved = None;
        }
    }

    /// Returns the path for `length` bytes of media, or `None` if they must not be sent now.
    pub(crate) fn take(&mut self, class: MediaClass, length: usize) -> Option<Path> {
        let Some(moved) = &mut self.moved else { return self.nominated };
        if let Some(probation) = &mut moved.probation {
            let (bound, allowance) = match probation.lacks {
                Proof::Check => (class == MediaClass::Video, ALLOWANCE),
                Proof::Media => (true, UNHEARD_ALLOWANCE),
            };
            if bound && probation.sent >= allowance + 3 * probation.received {
                return None;
            }
            probation.sent += length as u64;
        }
        Some(moved.path)
    }

    /// Records RTP or RTCP from a path that belongs to this peer, whether authentic or not.
    pub(crate) fn heard(&mut self, now: Instant, path: Path, length: usize) {
        if self.current() == Some(path) {
            self.heard = Some(now);
        }
        if let Some(Moved { path: to, probation: Some(probation), .. }) = &mut self.moved
            && *to == path
        {
            probation.received += length as u64;
        }
    }

    /// Returns whether a packet from an unknown address may be tried for this peer, and counts the try.
    pub(crate) fn may_try(&mut self, now: Instant, path: Path) -> bool {
        let known = self.current().is_some_and(|current| {
            let same_kind = current.remote.is_ipv4() == path.remote.is_ipv4();
            current.transport == Transport::Udp && path.transport == Transport::Udp && same_kind
        });
        let trusted = self.distrusted.is_none_or(|until| until <= now);
        if !known || !trusted || !self.may_move(now) {
            return false;
        }
        let (start, count) = self.tries.filter(|(start, _)| now < *start + Duration::from_secs(1)).unwrap_or((now, 0));
        self.tries = Some((start, count + 1));
        count < TRIES
    }

    /// Records an authenticated packet from `path`. `proved` is whether a STUN check has validated that path.
    pub(crate) fn authenticated(&mut self, now: Instant, path: Path, ssrc: u32, sequence: u64, proved: bool) {
        let newest = self.note(ssrc, sequence);
        if !newest || self.current().is_none_or(|current| current == path) {
            return;
        }
        if proved && self.on_probation().is_some() {
            // The page still sends from the old path: a copy of its packet had arrived earlier from another address.
            self.back(now);
        } else if self.may_move(now) {
            self.go(now, path, (!proved).then_some(Proof::Check));
        }
    }

    /// Records a STUN check that validates `path`; `nominates` if the page selects it (USE-CANDIDATE).
    pub(crate) fn checked(&mut self, now: Instant, path: Path, nominates: bool) {
        self.distrusted = None;
        if let Some(moved) = &mut self.moved
            && moved.path == path
        {
            moved.probation = moved.probation.filter(|probation| probation.lacks == Proof::Media);
            return;
        }
        // A NAT can rebind before there is any media, and DTLS must still reach the page.
        let silent = self.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= LEFT);
        let elsewhere = self.current().is_some_and(|current| current != path);
        let answers = self.has_answered(path);
        if elsewhere && nominates && silent && self.may_move(now) && (answers || self.may_check(now)) {
            self.go(now, path, (!answers).then_some(Proof::Media));
        }
    }

    /// Returns when the probation ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.moved?.probation.map(|probation| probation.until)
    }

    /// Ends an expired probation.
    pub(crate) fn age(&mut self, now: Instant) {
        if self.deadline().is_some_and(|until| until <= now) {
            self.back(now);
        }
    }

    /// Returns the streams received from this peer.
    pub(crate) fn streams(&self) -> impl Iterator<Item = u32> {
        self.newest.iter().map(|(ssrc, _)| *ssrc)
    }

    /// Returns the path on probation.
    pub(crate) fn on_probation(&self) -> Option<Path> {
        self.moved.filter(|moved| moved.probation.is_some()).map(|moved| moved.path)
    }

    fn current(&self) -> Option<Path> {
        self.moved.map(|moved| moved.path).or(self.nominated)
    }

    fn may_move(&self, now: Instant) -> bool {
        let silent = self.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= LEAVING);
        silent && self.last_move.is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL)
    }

    /// Returns whether a STUN check alone may move the media.
    fn may_check(&self, now: Instant) -> bool {
        self.may_move(now) && self.doubted.is_none_or(|until| until <= now)
    }

    /// Returns whether the remote end asked for traffic: only a genuine one can have sent DTLS, authenticated media or
    /// completed a TCP handshake.
    fn has_answered(&self, path: Path) -> bool {
        path.transport == Transport::Tcp || self.answering.contains(&path)
    }

    fn go(&mut self, now: Instant, path: Path, lacks: Option<Proof>) {
        let probation = lacks.map(|lacks| Probation { lacks, until: now + PROBATION, received: 0, sent: 0 });
        self.moved = (self.nominated != Some(path)).then_some(Moved { path, probation });
        self.last_move = Some(now);
        self.heard = Some(now);
    }

    fn back(&mut self, now: Instant) {
        let lacks = self.moved.take().and_then(|moved| moved.probation).map(|probation| probation.lacks);
        match lacks {
            Some(Proof::Media) => self.doubted = Some(now + DISTRUST),
            Some(Proof::Check) | None => self.distrusted = Some(now + DISTRUST),
        }
    }

    /// Records a packet number and returns whether it is the newest of its stream. The first streams seen are kept.
    fn note(&mut self, ssrc: u32, sequence: u64) -> bool {
        if let Some((_, newest)) = self.newest.iter_mut().find(|(known, _)| *known == ssrc) {
            let is_newer = *newest < sequence;
            *newest = sequence.max(*newest);
            return is_newer;
        }
        let room = self.newest.len() < STREAMS;
        if room {
            self.newest.push((ssrc, sequence));
        }
        room
    }
}
