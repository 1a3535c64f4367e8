//! Where a program is reached, in this process or another.

use std::net::SocketAddr;

/// A running program as its clients see it.
pub(crate) trait Site {
    /// What `localhost` leads to.
    fn address(&self) -> SocketAddr;
    /// Such as `http://localhost:43210`.
    fn url(&self) -> &str;
    /// The origin of its pages.
    fn origin(&self) -> &str;
}
