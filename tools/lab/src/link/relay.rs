//! The thread of a link.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tappers::Tap;

use super::Conditions;
use super::impairment::{Condition, Shaper};
use crate::clock;

/// Maximum sleep of the thread, so that it notices when it must stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);
/// Maximum frames read from one device before the other one is read.
const BATCH: usize = 64;

/// One direction: the frames in flight, earliest first.
struct Way {
    shaper: Shaper,
    under_way: BinaryHeap<Reverse<Frame>>,
    count: u64,
}

/// Ordered by arrival, then by order of reception.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    at: Duration,
    number: u64,
    bytes: Vec<u8>,
}

/// Moves frames until `stop` is set. `taps` are the client's end and the server's.
pub(super) fn run(taps: [Tap; 2], seed: u64, conditions: &Mutex<Conditions>, stop: &AtomicBool) {
    let epoch = clock::instant();
    let mut ways = [Way::new(seed), Way::new(seed.wrapping_add(1))];
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        let Conditions { up, down } = *conditions.lock().unwrap_or_else(PoisonError::into_inner);
        for (way, (from, condition)) in ways.iter_mut().zip(taps.iter().zip([&up, &down])) {
            for _ in 0..BATCH {
                let Ok(length) = from.recv(&mut buffer) else { break };
                way.take(epoch.elapsed(), &buffer[..length], condition);
            }
        }
        let now = epoch.elapsed();
        let mut sleep = LONGEST_SLEEP;
        for (way, (to, condition)) in ways.iter_mut().zip(taps.iter().rev().zip([&up, &down])) {
            if let Some(next) = way.deliver(now, to, condition) {
                sleep = sleep.min(next.saturating_sub(now));
            }
        }
        let mut readable = taps.each_ref().map(|tap| PollFd::from_borrowed_fd(tap.as_fd(), PollFlags::IN));
        let sleep = Timespec { tv_sec: 0, tv_nsec: sleep.subsec_nanos().into() };
        let _ = poll(&mut readable, Some(&sleep));
    }
}

impl Way {
    fn new(seed: u64) -> Self {
        Self { shaper: Shaper::new(seed), under_way: BinaryHeap::new(), count: 0 }
    }

    fn take(&mut self, now: Duration, bytes: &[u8], condition: &Condition) {
        // Losing an ARP reply would delay everything by a second. Real networks lose packets behind the first hop,
        // where there is no ARP.
        let condition = if is_arp(bytes) { &Condition::delayed(0) } else { condition };
        let Some(delivery) = self.shaper.admit(now, bytes.len(), condition) else { return };
        let mut bytes = bytes.to_vec();
        if let Some((byte, bit)) = delivery.flip {
            bytes[byte] ^= 1 << bit;
        }
        if delivery.twice {
            self.send_later(delivery.at, bytes.clone());
        }
        self.send_later(delivery.at, bytes);
    }

    fn send_later(&mut self, at: Duration, bytes: Vec<u8>) {
        self.count += 1;
        self.under_way.push(Reverse(Frame { at, number: self.count, bytes }));
    }

    /// Delivers frames that are due and returns when the next one is.
    fn deliver(&mut self, now: Duration, to: &Tap, condition: &Condition) -> Option<Duration> {
        while let Some(Reverse(next)) = self.under_way.peek() {
            if next.at > now {
                return Some(next.at);
            }
            if let Some(Reverse(frame)) = self.under_way.pop()
                && (!condition.down || is_arp(&frame.bytes))
            {
                // A device that is full or gone drops frames, like a real network.
                let _ = to.send(&frame.bytes);
            }
        }
        None
    }
}

fn is_arp(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x08, 0x06])
}
