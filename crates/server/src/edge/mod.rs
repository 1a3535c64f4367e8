//! The edge: who is at the other end, how many of them there may be, and how long they may dawdle.

mod client;
mod connection;
mod descriptors;
mod http1;
mod places;

pub(crate) use client::{ClientIp, PeerIp, network, wide_network};
pub(crate) use connection::{Doorman, HEAD_TIME, MAX_HEAD};
pub(crate) use descriptors::make_room;
pub(crate) use http1::Http1Only;
pub(crate) use places::{Place, Places};
