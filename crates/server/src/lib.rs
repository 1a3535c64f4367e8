//! The program: configuration, sign-in, pages, API, signalling and the media server's shell.

pub mod config;
pub mod media;
