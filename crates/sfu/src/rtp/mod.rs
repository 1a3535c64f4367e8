//! RTP without str0m: what a packet passes through between two people once their connections are up.
//!
//! `keys` gets the keys out of DTLS, `srtp` opens and seals with them, `header` and `rtcp` read and write, `inbound`,
//! `outbound`, `missing`, `history`, `arrivals` and `departures` keep count, and `session` is all of it for one
//! connection.

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
