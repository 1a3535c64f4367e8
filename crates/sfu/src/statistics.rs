//! Counters, as values.

/// What the machine did since it was made, and what it holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Datagrams that arrived.
    pub received_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// RTP packets that were forwarded, counted once a receiver.
    pub forwarded_packets: u64,
    /// Their payload bytes.
    pub forwarded_bytes: u64,
    /// Datagrams that were sent.
    pub sent_packets: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams dropped because their source had not proved that it belongs to a peer.
    pub dropped_unknown_source: u64,
    /// Times that media followed a page to an address that no STUN check had proved yet.
    pub moves: u64,
    /// Datagrams dropped because they are malformed, oversized or of no known kind.
    pub dropped_malformed: u64,
    /// Datagrams of RTP and RTCP dropped because they are not authentic, or came before.
    pub dropped_refused: u64,
    /// Outgoing datagrams dropped because the output queue was full.
    pub dropped_full: u64,
    /// Peers that ended because of a panic inside.
    pub panics: u64,
    /// Keyframes asked of publishers.
    pub keyframe_requests: u64,
    /// Rooms now.
    pub rooms: u64,
    /// Peers now.
    pub peers: u64,
}

impl std::ops::AddAssign for Statistics {
    fn add_assign(&mut self, other: Self) {
        self.received_packets += other.received_packets;
        self.received_bytes += other.received_bytes;
        self.forwarded_packets += other.forwarded_packets;
        self.forwarded_bytes += other.forwarded_bytes;
        self.sent_packets += other.sent_packets;
        self.sent_bytes += other.sent_bytes;
        self.dropped_unknown_source += other.dropped_unknown_source;
        self.moves += other.moves;
        self.dropped_malformed += other.dropped_malformed;
        self.dropped_refused += other.dropped_refused;
        self.dropped_full += other.dropped_full;
        self.panics += other.panics;
        self.keyframe_requests += other.keyframe_requests;
        self.rooms += other.rooms;
        self.peers += other.peers;
    }
}
