//! Addresses advertised to browsers as ICE candidates, and mapping of datagrams to them.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use socket2::{Domain, Socket, Type};

use crate::config::MediaConfig;

/// The advertised addresses of one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    port: u16,
    advertised: Vec<SocketAddr>,
    /// The addresses of this machine, which can be used as an explicit source address.
    own: Vec<IpAddr>,
}

impl Addresses {
    pub(super) fn new(config: &MediaConfig, bind: IpAddr, port: u16) -> Self {
        if config.public_addresses.is_empty() {
            Self::of(machine_addresses(bind), port)
        } else {
            Self::of(config.public_addresses.iter().map(|ip| ip.to_canonical()).collect(), port)
        }
    }

    fn of(ips: Vec<IpAddr>, port: u16) -> Self {
        let own = ips.iter().copied().filter(|ip| UdpSocket::bind((*ip, 0)).is_ok()).collect();
        Self { port, advertised: ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(), own }
    }

    /// Returns whether the addresses are detected from the network interfaces, and can therefore change at run time.
    pub(super) fn follow_the_machine(config: &MediaConfig, bind: IpAddr) -> bool {
        config.public_addresses.is_empty() && bind.is_unspecified()
    }

    /// Detects the addresses of the machine again. Returns `None` if they have not changed.
    pub(super) fn looked_up_again(&self, bind: IpAddr) -> Option<Self> {
        let now = Self::of(machine_addresses(bind), self.port);
        (now != *self).then_some(now)
    }

    /// Returns whether another machine can reach at least one address.
    pub(super) fn are_reachable(&self) -> bool {
        self.advertised.iter().any(|address| !address.ip().is_loopback())
    }

    pub(super) fn advertised(&self) -> &[SocketAddr] {
        &self.advertised
    }

    /// Returns the advertised address that a datagram was sent to. Behind NAT, it arrives at a different local
    /// address.
    pub(super) fn destination(&self, arrived_at: Option<IpAddr>, source: SocketAddr) -> SocketAddr {
        let arrived_at = arrived_at.map(|ip| ip.to_canonical());
        let exact = self.advertised.iter().find(|address| Some(address.ip()) == arrived_at);
        let family = self.advertised.iter().find(|address| address.is_ipv4() == source.is_ipv4());
        *exact.or(family).unwrap_or(&self.advertised[0])
    }

    /// Returns the explicit source address for sending, if it belongs to this machine.
    pub(super) fn source(&self, advertised: SocketAddr) -> Option<IpAddr> {
        self.own.contains(&advertised.ip()).then_some(advertised.ip())
    }
}

/// Returns the address to bind. Falls back to the IPv4 wildcard on machines without IPv6.
pub(super) fn usable(bind: IpAddr) -> IpAddr {
    let without_v6 = || Socket::new(Domain::IPV6, Type::DGRAM, None).is_err();
    if bind == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && without_v6() {
        tracing::info!("IPv6 is not available, receiving media over IPv4 only");
        return Ipv4Addr::UNSPECIFIED.into();
    }
    bind
}

/// Removes loopback candidates from an SDP answer for a page on another machine. They are useless there, and browsers
/// would ask the user for permission to access devices on the local network.
pub(super) fn without_loopback(sdp: &str) -> String {
    let address = |line: &str| line.strip_prefix("a=candidate:")?.split(' ').nth(4)?.parse::<IpAddr>().ok();
    let is_loopback = |line: &&str| address(line).is_some_and(|ip| ip.is_loopback());
    let others = sdp.lines().any(|line| address(line).is_some_and(|ip| !ip.is_loopback()));
    if !others {
        return sdp.to_owned();
    }
    let kept: Vec<&str> = sdp.lines().filter(|line| !is_loopback(line)).collect();
    kept.join("\r\n") + "\r\n"
}

/// Returns the addresses that `bind` stands for: the source addresses of the default routes, or all assigned
/// addresses if there is no default route.
fn machine_addresses(bind: IpAddr) -> Vec<IpAddr> {
    if !bind.is_unspecified() {
        return vec![bind];
    }
    let kinds = |ip: &IpAddr| ip.is_ipv4() || bind.is_ipv6();
    let mut found: Vec<IpAddr> = routed_addresses().filter(kinds).collect();
    if found.iter().all(IpAddr::is_loopback) {
        // A network without a default route.
        found.extend(assigned_addresses().filter(kinds));
    }
    found.extend([IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)].into_iter().filter(kinds));
    found.retain(|ip| !ip.is_unspecified());
    let mut unique = Vec::new();
    for ip in found {
        if !unique.contains(&ip) {
            unique.push(ip);
        }
    }
    unique
}

/// Returns the source addresses of the default routes. Connecting a UDP socket sends nothing; it only queries the
/// routing table. The destinations are reserved for documentation.
fn routed_addresses() -> impl Iterator<Item = IpAddr> {
    let routed = |from: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let v4 = routed(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
    let v6 = routed(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into());
    v4.into_iter().chain(v6)
}

/// Returns the addresses assigned to network interfaces. Works on Linux only.
fn assigned_addresses() -> impl Iterator<Item = IpAddr> {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (v4, v6) = (read("/proc/net/fib_trie"), read("/proc/net/if_inet6"));
    assigned_v4(&v4).into_iter().chain(assigned_v6(&v6))
}

/// Parses the local addresses from a dump of the kernel's IPv4 routing table: `|-- ADDRESS` above `/32 host LOCAL`.
fn assigned_v4(fib_trie: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = fib_trie.lines().map(str::trim).collect();
    let local = lines.windows(2).filter(|pair| pair[1].starts_with("/32 host LOCAL"));
    let addresses = local.filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse::<Ipv4Addr>().ok());
    addresses.filter(|ip| !ip.is_loopback() && !ip.is_link_local()).map(IpAddr::V4).collect()
}

/// Parses the addresses of global scope from the kernel's list of IPv6 addresses.
fn assigned_v6(if_inet6: &str) -> Vec<IpAddr> {
    let global = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u128::from_str_radix(words.next()?, 16).ok()?;
        (words.nth(2)? == "00").then_some(IpAddr::V6(address.into()))
    };
    if_inet6.lines().filter_map(global).collect()
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
        let addresses = Addresses::new(&config, config.bind, 50_000);
        let from: SocketAddr = "198.51.100.1:4000".parse().expect("an address");
        let arrived_at = "10.0.0.5".parse().ok();
        assert_eq!(addresses.destination(arrived_at, from), SocketAddr::new(public, 50_000));
        assert_eq!(addresses.source(SocketAddr::new(public, 50_000)), None);
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn addresses_that_appear_are_advertised_and_those_that_go_are_not() {
        let before = Addresses::of(ips(&["127.0.0.1"]), 50_000);
        assert!(!before.are_reachable());
        let every = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let now = before.looked_up_again(every).unwrap_or(before);
        assert_eq!(now.looked_up_again(every), None, "what is as it was is no change");
        let gone = Addresses::of(ips(&["203.0.113.7", "127.0.0.1"]), 50_000);
        assert!(gone.are_reachable());
        let found = gone.looked_up_again(every).expect("this machine does not have it");
        assert_eq!(found, now);
        let public = MediaConfig { public_addresses: ips(&["203.0.113.7"]), ..MediaConfig::default() };
        assert!(Addresses::follow_the_machine(&MediaConfig::default(), every));
        assert!(!Addresses::follow_the_machine(&public, every));
        assert!(!Addresses::follow_the_machine(&MediaConfig::default(), IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }

    #[test]
    fn without_a_default_route_the_kernel_is_asked_what_its_interfaces_have() {
        let fib_trie = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.1.0.0
        /24 link UNICAST
Local:
        |-- 10.1.0.7
           /32 host LOCAL
        |-- 10.1.0.255
           /32 link BROADCAST
        |-- 127.0.0.1
           /32 host LOCAL
        |-- 169.254.3.4
           /32 host LOCAL
";
        assert_eq!(assigned_v4(fib_trie), ips(&["10.1.0.7"]));
        let if_inet6 = "\
20010db8000000000000000000000007 02 40 00 80 eth0
fe80000000000000000000fffe000007 02 40 20 80 eth0
00000000000000000000000000000001 01 80 10 80 lo
";
        assert_eq!(assigned_v6(if_inet6), ips(&["2001:db8::7"]));
        assert_eq!((assigned_v4("nothing"), assigned_v6("of\nthat")), (vec![], vec![]));
    }

    #[test]
    fn loopback_is_offered_only_where_there_is_nothing_else() {
        let candidate = |ip: &str, kind: &str| format!("a=candidate:1 1 {kind} 1 {ip} 50000 typ host ufrag x");
        let sdp = |lines: &[String]| format!("v=0\r\n{}\r\na=end\r\n", lines.join("\r\n"));
        let away = [candidate("192.0.2.1", "udp"), candidate("2001:db8::1", "tcp")];
        let near = [candidate("127.0.0.1", "udp"), candidate("::1", "tcp")];
        assert_eq!(without_loopback(&sdp(&[&away[..], &near[..]].concat())), sdp(&away));
        assert_eq!(without_loopback(&sdp(&near)), sdp(&near));
        assert_eq!(without_loopback("v=0\r\n"), "v=0\r\n");
    }
}
