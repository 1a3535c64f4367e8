//! Where a peer's media is sent: where ICE says, or where the page's own media comes from since.
//!
//! A NAT that forgets a mapping gives a page another address without the page knowing; its next STUN
//! check may be seconds away, but its media arrives at once. So the sending follows an authenticated
//! packet, as QUIC does (RFC 9000, section 9): only the newest packet counts, one from the former
//! address takes it back, and until a STUN check has proved the new address it is on probation, for a
//! short time and with a bound on what it is sent.
//!
//! A STUN check proves that its sender has the password, not that anybody at the source address asked for media: a
//! participant can send one in another host's name. So an address that only checks have come from is on probation as
//! well, with a smaller bound, until DTLS or authentic media arrives from it. Over TCP the handshake has shown that.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::command::Transport;
use crate::event::MediaClass;

/// A page with a microphone sends every 20 ms: an address that is silent this long is being left.
const LEAVING: Duration = Duration::from_millis(60);
/// A page without devices sends RTCP alone.
const LEFT: Duration = Duration::from_secs(1);
/// The least time between two moves.
const INTERVAL: Duration = Duration::from_secs(1);
/// A browser checks its path every two and a half seconds.
const PROBATION: Duration = Duration::from_secs(5);
/// How long after a probation that came to nothing only what it lacked moves the media.
const DISTRUST: Duration = Duration::from_secs(30);
/// Packets of strangers that are tried in a second.
const TRIES: u32 = 50;
/// What pictures may cost an address on probation: three times what it sent, as in QUIC, and this much
/// to begin with. It lasts until the next check even if the page sends sound alone.
const ALLOWANCE: u64 = 256 * 1024;
/// What anything may cost an address that only checks have come from, beside three times what it sent: a third of a
/// second of a call, in which a page's own media arrives.
const UNHEARD_ALLOWANCE: u64 = 64 * 1024;
/// Ways to a page that are remembered because DTLS or media has come over them.
const ANSWERING: usize = 8;
/// A page sends sound, up to three layers of a picture and their repair; a reload of its encoder may add others.
const STREAMS: usize = 10;

/// A way to a page: how, from which of our addresses, and to which of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) transport: Transport,
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
}

/// Where a peer's media is sent.
#[derive(Debug, Default)]
pub(crate) struct Egress {
    /// Where ICE sends, once something has come from there.
    nominated: Option<Path>,
    /// What ICE chose last, heard or not.
    chosen: Option<Path>,
    moved: Option<Moved>,
    /// Where DTLS or authentic media has come from, the newest last.
    answering: VecDeque<Path>,
    /// When RTP or RTCP last came from where we send to.
    heard: Option<Instant>,
    /// The newest packet of each stream.
    newest: Vec<(u32, u64)>,
    last_move: Option<Instant>,
    distrusted: Option<Instant>,
    /// Until when checks alone move nothing.
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

/// What has not come from an address on probation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// A STUN check. Media has.
    Check,
    /// Media. A STUN check has.
    Media,
}

impl Egress {
    /// Where to send what ICE would send over `nominated`; `None` if it may not be sent now.
    pub(crate) fn route(&mut self, now: Instant, nominated: Path, class: MediaClass, length: usize) -> Option<Path> {
        self.nominate(now, nominated);
        self.take(class, length)
    }

    /// Where ICE would send now.
    pub(crate) fn nominate(&mut self, now: Instant, nominated: Path) {
        if self.chosen == Some(nominated) {
            return;
        }
        self.chosen = Some(nominated);
        if self.nominated.is_none() || self.has_answered(nominated) {
            // ICE has found something out: it knows better.
            self.nominated = Some(nominated);
            self.moved = None;
        } else if self.current() != Some(nominated) && self.may_check(now) {
            self.go(now, nominated, Some(Proof::Media));
        }
    }

    /// DTLS or authentic media came over a path that a STUN check has proved.
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

    /// Where to send so many bytes of media; `None` if they may not be sent now.
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

    /// A datagram of RTP or RTCP came over a path that belongs to this peer, authentic or not.
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

    /// Whether to find out if a packet of a stranger is this peer's. Counts as a try.
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

    /// An authenticated packet of the page came over `path`, which a STUN check has proved or not.
    pub(crate) fn authenticated(&mut self, now: Instant, path: Path, ssrc: u32, sequence: u64, proved: bool) {
        let newest = self.note(ssrc, sequence);
        if !newest || self.current().is_none_or(|current| current == path) {
            return;
        }
        if proved && self.on_probation().is_some() {
            // The page still speaks from where it was: a copy of its packet was faster than itself.
            self.back(now);
        } else if self.may_move(now) {
            self.go(now, path, (!proved).then_some(Proof::Check));
        }
    }

    /// A STUN check proved `path`; `nominates` if the page sends over it (USE-CANDIDATE).
    pub(crate) fn checked(&mut self, now: Instant, path: Path, nominates: bool) {
        self.distrusted = None;
        if let Some(moved) = &mut self.moved
            && moved.path == path
        {
            moved.probation = moved.probation.filter(|probation| probation.lacks == Proof::Media);
            return;
        }
        // Before any media a NAT can move a page as well, and DTLS must find it.
        let silent = self.heard.is_none_or(|heard| now.saturating_duration_since(heard) >= LEFT);
        let elsewhere = self.current().is_some_and(|current| current != path);
        let answers = self.has_answered(path);
        if elsewhere && nominates && silent && self.may_move(now) && (answers || self.may_check(now)) {
            self.go(now, path, (!answers).then_some(Proof::Media));
        }
    }

    /// When a probation ends.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.moved?.probation.map(|probation| probation.until)
    }

    /// Ends a probation whose time is over.
    pub(crate) fn age(&mut self, now: Instant) {
        if self.deadline().is_some_and(|until| until <= now) {
            self.back(now);
        }
    }

    /// The streams that have been heard from this peer.
    pub(crate) fn streams(&self) -> impl Iterator<Item = u32> {
        self.newest.iter().map(|(ssrc, _)| *ssrc)
    }

    /// The path on probation.
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

    /// Whether a check alone may move what is sent.
    fn may_check(&self, now: Instant) -> bool {
        self.may_move(now) && self.doubted.is_none_or(|until| until <= now)
    }

    /// Whether something at the other end asked for this: only it can have answered DTLS, media or a TCP handshake.
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

    /// Whether the packet is the newest of its stream. The streams that were heard first stay.
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
