//! What somebody in a visit can say with the keys of their own connection: authentic, and malformed.
//!
//! Input: steps of one byte and what it needs.
//!
//! ```text
//! 0 LENGTH(2) BYTES…   an RTP packet in the clear
//! 1 LENGTH(2) BYTES…   a compound RTCP packet in the clear
//! 2 N                  the page is sent N packets of a picture
//! 3 N                  4 · N milliseconds pass
//! ```

use std::time::Duration;

use bedside_sfu::fuzzing::HostilePage;

use crate::wire::{Bytes, start};

/// One input.
///
/// # Panics
///
/// When something that must always hold does not.
pub fn run(input: &[u8]) {
    let mut bytes = Bytes(input);
    let mut page = HostilePage::new(start()).expect("there is cryptography");
    while let Some(step) = bytes.byte() {
        match step % 4 {
            0 => page.send_rtp(bytes.block()),
            1 => page.send_rtcp(bytes.block()),
            2 => page.watch(bytes.byte().unwrap_or(1)),
            _ => page.wait(Duration::from_millis(4) * u32::from(bytes.byte().unwrap_or(1))),
        }
    }
}
