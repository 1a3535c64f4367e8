//! The whole program over HTTP and WebSockets: one binary, a server of its own for every test.

#[path = "../support/mod.rs"]
mod support;

mod account;
mod api;
mod audit;
mod bad_input;
mod cometchat;
mod crash;
mod descriptions;
mod desk;
mod documents;
mod edge;
mod headers;
mod invites;
mod matrix;
mod operator;
mod pages;
mod privacy;
mod reads;
mod restarts;
mod resume;
mod room;
mod seats;
mod sessions;
mod sign_in;
mod signalling;
mod slow;
mod tls;
mod visits;
