//! Bad networks on one machine.
mod clock;
mod error;
mod link;
mod namespace;
mod network;
fn main() {}
