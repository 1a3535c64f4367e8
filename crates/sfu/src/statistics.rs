//! Counters.

use std::time::Duration;

/// Upper bounds of the histogram buckets of [`Statistics::round_trips`], in milliseconds. The count after the last
/// bound is for all longer times.
pub const ROUND_TRIP_BOUNDS: [u64; 9] = [10, 25, 50, 100, 150, 250, 500, 1000, 2500];

/// Upper bounds of the histogram buckets of [`Statistics::losses`], in packets per thousand.
pub const LOSS_BOUNDS: [u64; 9] = [0, 5, 10, 20, 50, 100, 200, 300, 500];

/// Maximum number of simulcast layers of a page's video.
pub const LAYERS: usize = 3;

/// What the SFU did since it was created, and what it currently holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Datagrams received.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// RTP packets forwarded, counted once per receiver.
    pub forwarded_packets: u64,
    /// Their payload bytes.
    pub forwarded_bytes: u64,
    /// Of these, video packets by layer, smallest first. For a page that sends a single layer, the last count.
    pub forwarded_layers: [u64; LAYERS],
    /// Datagrams sent.
    pub sent_packets: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams dropped because their source address was not validated for a peer.
    pub dropped_unknown_source: u64,
    /// Times that media followed a page to an address that no STUN check had validated yet.
    pub moves: u64,
    /// Datagrams dropped because they were malformed, oversized or of an unknown protocol.
    pub dropped_malformed: u64,
    /// RTP and RTCP datagrams dropped because authentication failed or they were replayed.
    pub dropped_refused: u64,
    /// Outgoing datagrams dropped because the output queue was full.
    pub dropped_full: u64,
    /// Video packets withheld from a receiver that could not have decoded them without a keyframe.
    pub withheld_undecodable: u64,
    /// Video packets withheld from a receiver whose bandwidth suffices for audio only.
    pub withheld_narrow: u64,
    /// Peers that ended because of an internal panic.
    pub panics: u64,
    /// Keyframes requested from publishers (PLI, RFC 4585, section 6.3.1).
    pub keyframe_requests: u64,
    /// Keyframes requested by receivers (PLI, and FIR of RFC 5104, section 4.3.1).
    pub keyframe_requests_received: u64,
    /// Retransmissions requested by receivers (NACK, RFC 4585, section 6.2.1).
    pub nacks_received: u64,
    /// Retransmissions requested from publishers.
    pub nacks_sent: u64,
    /// Packets retransmitted.
    pub resent_packets: u64,
    /// Time from sending a packet to the receiver's report of its arrival: counts by [`ROUND_TRIP_BOUNDS`]. Includes up
    /// to 100 ms of waiting for a report.
    pub round_trips: [u64; ROUND_TRIP_BOUNDS.len() + 1],
    /// Their sum in milliseconds.
    pub round_trips_sum: u64,
    /// Packet loss towards a receiver in the second before each report: counts by [`LOSS_BOUNDS`].
    pub losses: [u64; LOSS_BOUNDS.len() + 1],
    /// Their sum in packets per thousand.
    pub losses_sum: u64,
    /// Current rooms.
    pub rooms: u64,
    /// Current peers.
    pub peers: u64,
}

impl Statistics {
    /// Counts a receiver's report. `loss` is a share from 0 to 1.
    pub(crate) fn note_report(&mut self, round_trip: Duration, loss: f32) {
        let milliseconds = u64::try_from(round_trip.as_millis()).unwrap_or(u64::MAX);
        self.round_trips[at(&ROUND_TRIP_BOUNDS, milliseconds)] += 1;
        self.round_trips_sum = self.round_trips_sum.saturating_add(milliseconds);
        // Bounded and not negative.
        let of_thousand = (loss.clamp(0.0, 1.0) * 1000.0).round() as u64;
        self.losses[at(&LOSS_BOUNDS, of_thousand)] += 1;
        self.losses_sum += of_thousand;
    }
}

/// Returns the index of a value's bucket.
fn at(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.received_packets += other.received_packets;
        self.received_bytes += other.received_bytes;
        self.forwarded_packets += other.forwarded_packets;
        self.forwarded_bytes += other.forwarded_bytes;
        add(&mut self.forwarded_layers, other.forwarded_layers);
        self.sent_packets += other.sent_packets;
        self.sent_bytes += other.sent_bytes;
        self.dropped_unknown_source += other.dropped_unknown_source;
        self.moves += other.moves;
        self.dropped_malformed += other.dropped_malformed;
        self.dropped_refused += other.dropped_refused;
        self.dropped_full += other.dropped_full;
        self.withheld_undecodable += other.withheld_undecodable;
        self.withheld_narrow += other.withheld_narrow;
        self.panics += other.panics;
        self.keyframe_requests += other.keyframe_requests;
        self.keyframe_requests_received += other.keyframe_requests_received;
        self.nacks_received += other.nacks_received;
        self.nacks_sent += other.nacks_sent;
        self.resent_packets += other.resent_packets;
        add(&mut self.round_trips, other.round_trips);
        self.round_trips_sum = self.round_trips_sum.saturating_add(other.round_trips_sum);
        add(&mut self.losses, other.losses);
        self.losses_sum += other.losses_sum;
        self.rooms += other.rooms;
        self.peers += other.peers;
    }
}

fn add<const N: usize>(to: &mut [u64; N], more: [u64; N]) {
    to.iter_mut().zip(more).for_each(|(count, more)| *count += more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_counted_between_its_bounds() {
        let mut statistics = Statistics::default();
        for (milliseconds, loss) in [(0, 0.0), (10, 0.005), (11, 0.006), (2500, 0.5), (2501, 1.0), (90_000, 7.0)] {
            statistics.note_report(Duration::from_millis(milliseconds), loss);
        }
        assert_eq!(statistics.round_trips, [2, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(statistics.round_trips_sum, 95_022);
        assert_eq!(statistics.losses, [1, 1, 1, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(statistics.losses_sum, 5 + 6 + 500 + 1000 + 1000);
        let mut twice = statistics;
        twice += statistics;
        assert_eq!(twice.round_trips[0], 4);
        assert_eq!(twice.losses_sum, 2 * statistics.losses_sum);
    }
}
