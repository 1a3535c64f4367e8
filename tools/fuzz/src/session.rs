//! Fuzzes authenticated but malformed packets that a participant can send with the keys of their connection.
//!
//! Input: steps of one byte each with their arguments.
//!
//! ```text
//! 0 LENGTH(2) BYTES…   an unencrypted RTP packet
//! 1 LENGTH(2) BYTES…   an unencrypted compound RTCP packet
//! 2 N                  N video packets are forwarded to the page
//! 3 N                  4 · N milliseconds pass
//! ```

use std::time::Duration;

use bedside_sfu::fuzzing::HostilePage;

use crate::wire::{Bytes, start};

/// Runs one input.
///
/// # Panics
///
/// If an invariant is violated.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let mut page = HostilePage::new(start()).expect("the cryptographic library works");
    while let Some(step) = bytes.byte() {
        match step % 4 {
            0 => page.send_rtp(bytes.block()),
            1 => page.send_rtcp(bytes.block()),
            2 => page.watch(bytes.byte().unwrap_or(1)),
            _ => page.wait(Duration::from_millis(4) * u32::from(bytes.byte().unwrap_or(1))),
        }
    }
}
