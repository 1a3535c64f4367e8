//! RTP without str0m: the fast path for media once connections are up.
//!
//! `keys` extracts the keys from DTLS; `srtp` decrypts and encrypts; `header` and `rtcp` parse and write packets;
//! `inbound`, `outbound`, `missing`, `history`, `arrivals` and `departures` keep the state; and `session` combines them
//! for one connection.

mod arrivals;
mod departures;
mod header;
mod history;
mod inbound;
mod keys;
mod missing;
mod outbound;
mod rtcp;
mod session;
mod srtp;
mod window;

pub(crate) use header::{ExtensionIds, Name};
pub(crate) use inbound::SenderTime;
pub(crate) use keys::{KeySlot, keeping, take_slot};
pub(crate) use outbound::Outbound;
pub(crate) use session::{Feedback, NewSession, Opened, Outgoing, Session};
pub(crate) use srtp::Refused;

#[cfg(feature = "fuzzing")]
pub(crate) use {
    header::Header,
    keys::{Keys, Profile},
    srtp::{Opener, Sealer},
    window::Window,
};
