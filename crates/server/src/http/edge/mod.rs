//! Network edge: client addresses, connection limits, time limits, and HTTP/1.1 only.

mod client;
mod connection;
mod connection_limit;
mod descriptors;
mod http1;
mod networks;
mod served;

pub(crate) use client::{ClientIp, PeerIp};
pub(crate) use connection::{HEAD_TIME, Limited, MAX_HEAD};
pub(crate) use connection_limit::{ConnectionLimit, Permit};
pub(crate) use descriptors::make_room;
pub(crate) use http1::Http1Only;
pub(crate) use networks::{network, wide_network};
