//! STUB until the media shell lands (the shell's author replaces this file).
use serde::{Deserialize, Serialize};
/// Media.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Bind.
    pub bind: std::net::IpAddr,
    /// Port.
    pub port: u16,
    /// Public.
    pub public_addresses: Vec<std::net::IpAddr>,
    /// Workers.
    pub workers: usize,
    /// TCP.
    pub tcp: bool,
}
impl Default for MediaConfig {
    fn default() -> Self {
        Self { bind: [0, 0, 0, 0].into(), port: 50000, public_addresses: vec![], workers: 0, tcp: true }
    }
}
impl MediaConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}
