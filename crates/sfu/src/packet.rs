//! A packet of media on its way from one person to others.

use std::time::Instant;

use crate::codec::Encoding;
use crate::rtp::{Name, SenderTime};

/// A packet of media as its publisher sent it, opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet<'a> {
    pub(crate) ssrc: u32,
    /// The layer it is of, where a picture is sent in several.
    pub(crate) rid: Option<Name>,
    /// The extended number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) encoding: Encoding,
    pub(crate) marker: bool,
    /// A flag for voice, and decibels below the maximum (RFC 6464).
    pub(crate) audio_level: Option<u8>,
    /// Where the publisher said it is on its own clock, last time.
    pub(crate) sender_time: Option<SenderTime>,
    pub(crate) arrived: Instant,
    pub(crate) payload: &'a [u8],
}
