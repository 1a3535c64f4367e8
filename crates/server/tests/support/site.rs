//! The addresses of a program in this process or another.

use std::net::SocketAddr;

/// A running program as seen by its clients.
pub(crate) trait Site {
    /// The address of `localhost`.
    fn address(&self) -> SocketAddr;
    /// The URL, such as `http://localhost:43210`.
    fn url(&self) -> &str;
    /// The origin of its pages.
    fn origin(&self) -> &str;
}
