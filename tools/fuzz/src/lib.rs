//! Fuzz targets for untrusted input.
//!
//! Each module is one target: `run` takes any bytes and panics if an invariant is violated. `cargo xtask fuzz` runs the
//! targets under libFuzzer; `cargo xtask test fuzz` runs the corpora through them. See `docs/fuzzing.md`.

pub mod datagrams;
pub mod framing;
pub mod sdp;
pub mod session;
pub mod signalling;
mod wire;

/// A target: its name, which is also the folder of its corpus, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 5] = [
    ("signalling", signalling::run),
    ("sdp", sdp::run),
    ("framing", framing::run),
    ("datagrams", datagrams::run),
    ("session", session::run),
];
