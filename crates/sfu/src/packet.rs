//! Media packets.

use std::time::Instant;

use crate::codec::Encoding;
use crate::rtp::{Name, SenderTime};

/// A decrypted media packet as its publisher sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) ssrc: u32,
    /// Its layer, for simulcast video.
    pub(crate) rid: Option<Name>,
    /// The extended sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) encoding: Encoding,
    pub(crate) marker: bool,
    /// Voice flag, and level in decibels below the maximum (RFC 6464).
    pub(crate) audio_level: Option<u8>,
    /// The publisher's last sender report.
    pub(crate) sender_time: Option<SenderTime>,
    pub(crate) arrived: Instant,
    pub(crate) payload: &'a [u8],
}
