//! What strangers can send, thrown at what reads it.
//!
//! Each module is one target: `run` takes any bytes and panics if something that must always hold
//! does not. `cargo xtask fuzz` runs them under libFuzzer, `cargo xtask test fuzz` runs the corpora
//! through them. See `docs/fuzzing.md`.

pub mod datagrams;
pub mod framing;
pub mod sdp;
pub mod session;
pub mod signalling;
mod wire;

/// A target: its name, which is also its corpus's folder, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 5] = [
    ("signalling", signalling::run),
    ("sdp", sdp::run),
    ("framing", framing::run),
    ("datagrams", datagrams::run),
    ("session", session::run),
];
