//! The whole program over HTTP and WebSockets: one binary, a server of its own for every test.

#[path = "../support/mod.rs"]
mod support;

mod account;
mod admissions;
mod api;
mod audit;
mod bad_input;
mod canary;
mod cometchat;
mod crash;
mod descriptions;
mod desk;
mod documents;
mod edge;
mod forms;
mod front_desk;
mod headers;
mod invites;
mod journeys;
mod keys;
mod matrix;
mod matrix_commands;
mod metrics;
mod operator;
mod pages;
mod passkeys;
mod privacy;
mod programs;
mod provider;
mod reads;
mod reset;
mod restarts;
mod resume;
mod room;
mod seats;
mod second_factor;
mod sessions;
mod sign_in;
mod signalling;
mod slow;
mod subjects;
mod tls;
mod visits;
