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
mod headers;
mod invites;
mod matrix;
mod operator;
mod pages;
mod passkeys;
mod privacy;
mod provider;
mod reads;
mod reset;
mod restarts;
mod resume;
mod room;
mod seats;
mod sessions;
mod sign_in;
mod signalling;
mod slow;
mod visits;
