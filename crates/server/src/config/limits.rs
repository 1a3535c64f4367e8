use serde::{Deserialize, Serialize};

/// `[server.limits]`: how much may be open at a time, so that nobody takes all of it. A network is an IPv4 address, or
/// the /64 of an IPv6 address; proxies of `server.trusted_proxies` count for nothing as networks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Open connections, 1 to 1,000,000. Each takes a file descriptor.
    pub connections: usize,
    /// Open connections of one network. A clinic's own staff share one address, with up to six connections a browser.
    pub connections_per_network: usize,
    /// Open WebSockets: one for every open page of a visit, and a few more while its network is bad.
    pub websockets: usize,
    /// Open WebSockets of one network.
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
