//! Which addresses browsers are told to send to, and which of them a datagram came to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::config::MediaConfig;

/// The advertised addresses of one port.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    advertised: Vec<SocketAddr>,
    /// Those of this machine: datagrams can be sent from them explicitly.
    own: Vec<IpAddr>,
}

impl Addresses {
    pub(super) fn new(config: &MediaConfig, port: u16) -> Self {
        let ips = if config.public_addresses.is_empty() {
            machine_addresses(config.bind)
        } else {
            config.public_addresses.iter().map(|ip| ip.to_canonical()).collect()
        };
        let own = ips.iter().copied().filter(|ip| UdpSocket::bind((*ip, 0)).is_ok()).collect();
        Self { advertised: ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), own }
    }

    pub(super) fn advertised(&self) -> &[SocketAddr] {
        &self.advertised
    }

    /// The advertised address that a datagram was sent to. Behind NAT it arrives at another one.
    pub(super) fn destination(&self, arrived_at: Option<IpAddr>, source: SocketAddr) -> SocketAddr {
        let arrived_at = arrived_at.map(|ip| ip.to_canonical());
        let exact = self.advertised.iter().find(|address| Some(address.ip()) == arrived_at);
        let family = self.advertised.iter().find(|address| address.is_ipv4() == source.is_ipv4());
        *exact.or(family).unwrap_or(&self.advertised[0])
    }

    /// The address to send from explicitly, if this machine has it.
    pub(super) fn source(&self, advertised: SocketAddr) -> Option<IpAddr> {
        self.own.contains(&advertised.ip()).then_some(advertised.ip())
    }
}

/// What `bind` stands for. Connecting a UDP socket sends nothing: it only asks the routing table which
/// address would be used. The destinations are reserved for documentation.
fn machine_addresses(bind: IpAddr) -> Vec<IpAddr> {
    if !bind.is_unspecified() {
        return vec![bind];
    }
    let routed = |from: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let v4 = routed(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
    let mut found: Vec<IpAddr> = v4.into_iter().collect();
    if bind.is_ipv6() {
        let v6 = routed(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
        found.extend(v6);
        found.push(Ipv6Addr::LOCALHOST.into());
    }
    found.push(Ipv4Addr::LOCALHOST.into());
    found.retain(|ip| !ip.is_unspecified());
    let mut unique = Vec::new();
    for ip in found {
        if !unique.contains(&ip) {
            unique.push(ip);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_concrete_address_stands_for_itself_and_every_address_includes_loopback() {
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(machine_addresses(localhost), [localhost]);
        assert!(machine_addresses(Ipv4Addr::UNSPECIFIED.into()).contains(&localhost));
        assert!(machine_addresses(Ipv6Addr::UNSPECIFIED.into()).contains(&localhost));
    }

    #[test]
    fn behind_nat_datagrams_belong_to_the_public_address() {
        let public: IpAddr = "203.0.113.7".parse().expect("an address");
        let config = MediaConfig { public_addresses: vec![public], ..MediaConfig::default() };
        let addresses = Addresses::new(&config, 50_000);
        let from: SocketAddr = "198.51.100.1:4000".parse().expect("an address");
        let arrived_at = "10.0.0.5".parse().ok();
        assert_eq!(addresses.destination(arrived_at, from), SocketAddr::new(public, 50_000));
        assert_eq!(addresses.source(SocketAddr::new(public, 50_000)), None);
    }
}
