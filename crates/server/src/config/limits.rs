use serde::{Deserialize, Serialize};

/// `[server.limits]`: limits on open connections, so that no single client can exhaust them. A network is an IPv4
/// address or the /64 of an IPv6 address. Proxies of `server.trusted_proxies` are exempt from the limits for each
/// network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Maximum number of open connections, 1 to 1,000,000. Each takes a file descriptor.
    pub connections: usize,
    /// Maximum number of open connections from one network. A clinic's staff often share one address, with up to six
    /// connections for each browser.
    pub connections_per_network: usize,
    /// Maximum number of open WebSockets: one for each open visit page, and a few more while its network is unreliable.
    pub websockets: usize,
    /// Maximum number of open WebSockets from one network.
    pub websockets_per_network: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { connections: 4_096, connections_per_network: 512, websockets: 2_048, websockets_per_network: 256 }
    }
}

impl LimitsConfig {
    pub(super) fn validate(&self) -> Result<(), String> {
        for (name, most, per_network) in [
            ("connections", self.connections, self.connections_per_network),
            ("websockets", self.websockets, self.websockets_per_network),
        ] {
            if !(1..=1_000_000).contains(&most) {
                return Err(format!("server.limits.{name}: {most} is not between 1 and 1000000"));
            }
            if !(1..=most).contains(&per_network) {
                return Err(format!(
                    "server.limits.{name}_per_network: {per_network} is not between 1 and server.limits.{name} ({most})"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let fault = |limits: LimitsConfig| limits.validate().expect_err("a fault");
        assert!(LimitsConfig::default().validate().is_ok());
        let none = LimitsConfig { connections: 0, ..LimitsConfig::default() };
        assert!(fault(none).starts_with("server.limits.connections: "));
        let more_than_all = LimitsConfig { websockets_per_network: 3_000, ..LimitsConfig::default() };
        assert!(fault(more_than_all).starts_with("server.limits.websockets_per_network: "));
    }
}
