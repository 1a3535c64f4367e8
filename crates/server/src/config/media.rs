#[cfg(test)]
use std::net::Ipv4Addr;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// `[media]`: the embedded media server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaConfig {
    /// Address to receive media on. `::` means all IPv4 and IPv6 addresses of the machine, `0.0.0.0` all IPv4
    /// addresses. On a machine without IPv6, `::` is equivalent to `0.0.0.0`.
    pub bind: IpAddr,
    /// First port, for both UDP and TCP. Each worker uses one port: with four workers, 50000 to 50003. Open them in the
    /// firewall.
    pub port: u16,
    /// Addresses advertised to browsers as ICE candidates. Set them if patients reach this machine at another address
    /// than its own, for example behind NAT. Empty: the machine's own addresses.
    pub public_addresses: Vec<IpAddr>,
    /// Number of media threads. Each has its own port and handles its own visits. 0 means half the CPU cores.
    pub workers: usize,
    /// Whether media may also use TCP, for networks that block UDP.
    pub tcp: bool,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            port: 50_000,
            public_addresses: Vec::new(),
            workers: 0,
            tcp: true,
        }
    }
}

impl MediaConfig {
    /// Upper limit, above the core count of any plausible machine.
    const MOST_WORKERS: usize = 256;

    /// Returns the number of media threads to start.
    #[must_use]
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1)),
            workers => workers,
        }
    }

    /// Checks the settings for invalid values and combinations.
    ///
    /// # Errors
    /// A sentence that names the setting to change.
    pub fn validate(&self) -> Result<(), String> {
        let workers = self.worker_count();
        if workers > Self::MOST_WORKERS {
            return Err(format!("media.workers: {workers} is too many; use at most {}", Self::MOST_WORKERS));
        }
        if self.port != 0 && usize::from(self.port) + workers - 1 > usize::from(u16::MAX) {
            return Err(format!(
                "media.port: {} is too high for {workers} workers with one port each; use a lower port",
                self.port
            ));
        }
        if self.bind.is_multicast() {
            return Err(format!("media.bind: {} is not the address of a machine; use ::", self.bind));
        }
        let unusable = |address: &&IpAddr| address.is_unspecified() || address.is_multicast();
        if let Some(address) = self.public_addresses.iter().find(unusable) {
            return Err(format!("media.public_addresses: browsers cannot send to {address}; use a unicast address"));
        }
        if self.public_addresses.len() > 8 {
            return Err("media.public_addresses: use at most 8 addresses".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(MediaConfig::default().validate(), Ok(()));
        assert!(MediaConfig::default().worker_count() >= 1);
    }

    #[test]
    fn media_is_received_over_both_kinds_of_addresses_unless_told_otherwise() {
        assert_eq!(MediaConfig::default().bind, IpAddr::V6(Ipv6Addr::UNSPECIFIED));
    }

    #[test]
    fn a_fault_names_its_setting() {
        let fault = |config: MediaConfig| config.validate().expect_err("a fault");
        let defaults = MediaConfig::default;
        assert!(fault(MediaConfig { workers: 1000, ..defaults() }).starts_with("media.workers: "));
        assert!(fault(MediaConfig { workers: 9, port: 65_530, ..defaults() }).starts_with("media.port: "));
        let unspecified = vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let fault = fault(MediaConfig { public_addresses: unspecified, ..defaults() });
        assert!(fault.starts_with("media.public_addresses: "));
    }
}
