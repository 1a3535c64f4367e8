//! Forwards media between the participants of a visit.
//!
//! A selective forwarding unit (SFU) as a pure state machine around str0m. Datagrams, commands and the time go in
//! through [`Sfu::handle_input`]; datagrams to send and events come out of [`Sfu::poll_output`]; [`Sfu::next_deadline`]
//! says when to call again. There are no sockets, threads or clocks, and IDs, credentials and the certificate are
//! arguments.
//!
//! The server, not the page, decides what is forwarded: a packet from A reaches B only while both are admitted to the
//! room and A's microphone (or camera) is published.

mod answer;
mod codec;
mod command;
mod config;
mod demux;
mod downlink;
mod egress;
mod engine;
mod event;
mod forward;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod keyframe;
mod layers;
mod offer;
mod packet;
mod peer;
mod redundancy;
pub mod rfc4571;
mod room;
mod rtp;
mod schedule;
mod sender_clock;
mod sfu;
mod speaker;
mod statistics;
mod vp8;

pub use command::{Command, Forwarding, IceCredentials, Input, Join, PeerId, Transport};
pub use config::{Limits, PacketPath, SfuConfig};
pub use demux::{Packet, classify};
pub use event::{GoneReason, MediaClass, Output, Refusal, Transmit};
pub use offer::OfferRefusal;
pub use sfu::Sfu;
pub use statistics::{LAYERS, LOSS_BOUNDS, ROUND_TRIP_BOUNDS, Statistics};

pub use str0m::config::DtlsCert;

/// Installs the cryptography provider used by all peers. Must be called once before the first [`Sfu`] is created.
pub fn install_crypto() {
    str0m::crypto::from_feature_flags().install_process_default();
}

/// Generates the certificate of this process: ECDSA P-256, never written to disk.
///
/// # Errors
///
/// If the cryptographic library fails.
pub fn generate_certificate() -> Result<DtlsCert, NoCertificate> {
    str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().ok_or(NoCertificate)
}

/// The cryptographic library could not generate a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the DTLS certificate could not be generated")]
pub struct NoCertificate;

#[cfg(test)]
mod tests;
