//! The network: `patient ─ link ─ router (NAT) ─ wire ─ server ─ link ─ provider`.

use std::net::Ipv4Addr;
use std::process::Command;

use crate::clock;
use crate::error::LabError;
use crate::link::{Condition, Conditions, End, Link};
use crate::namespace::{self, Namespace};

/// The server's address. It is on none of the links, so that neither side is closer.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
/// The patient's link without a fault: 20 ms round trip.
pub(crate) const PATIENT_LINK: Conditions = Conditions::both(Condition::delayed(10));
/// The provider's link without a fault: 10 ms round trip.
pub(crate) const PROVIDER_LINK: Conditions = Conditions::both(Condition::delayed(5));

/// The router's two public addresses.
const WAN: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 2), Ipv4Addr::new(203, 0, 113, 3)];

/// The whole network. Dropping it removes everything.
pub(crate) struct Network {
    // Links must be dropped before the namespaces they connect.
    pub(crate) patient_link: Link,
    provider_link: Link,
    pub(crate) patient: Namespace,
    pub(crate) provider: Namespace,
    pub(crate) server: Namespace,
    router: Namespace,
    wan: usize,
    moves: u8,
}

/// A transport whose NAT mappings can be dropped or which can be blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    fn word(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

impl Network {
    /// Builds the network. `seed` determines packet loss.
    pub(crate) fn build(seed: u64) -> Result<Self, LabError> {
        if !namespace::is_root() {
            return Err(LabError::Unavailable("namespaces and TAP devices need root".to_owned()));
        }
        for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("conntrack", "conntrack")] {
            if Command::new(program).arg("--version").output().is_err() {
                return Err(LabError::Unavailable(format!("`{program}` is missing (Debian package {package})")));
            }
        }
        namespace::sweep();
        let [patient, router, server, provider] = ["patient", "router", "server", "provider"].map(Namespace::create);
        let (patient, router, server, provider) = (patient?, router?, server?, provider?);
        let patient_link = Link::between(End(&patient, "net0"), End(&router, "lan0"), seed, PATIENT_LINK)?;
        let provider_link =
            Link::between(End(&provider, "net0"), End(&server, "lan0"), seed.wrapping_add(2), PROVIDER_LINK)?;
        router.ip(&format!("link add wan0 type veth peer name wan0 netns {}", server.name()))?;

        for words in ["addr add 192.168.7.2/24 dev net0", "link set net0 up", "route add default via 192.168.7.1"] {
            patient.ip(words)?;
        }
        for words in [
            "addr add 192.168.7.1/24 dev lan0",
            "addr add 10.64.0.1/16 dev lan0",
            "link set lan0 up",
            "addr add 203.0.113.2/24 dev wan0",
            "addr add 203.0.113.3/24 dev wan0",
            "link set wan0 up",
            "route add default via 203.0.113.1",
        ] {
            router.ip(words)?;
        }
        for words in [
            "addr add 198.51.100.1/32 dev lo",
            "addr add 203.0.113.1/24 dev wan0",
            // Otherwise the router receives several datagrams in one buffer, which it drops together if that is large.
            "link set wan0 up gso_max_segs 1",
            "addr add 192.0.2.1/24 dev lan0",
            "link set lan0 up",
        ] {
            server.ip(words)?;
        }
        for words in ["addr add 192.0.2.2/24 dev net0", "link set net0 up", "route add default via 192.0.2.1"] {
            provider.ip(words)?;
        }
        for forwards in [&router, &server] {
            forwards.run("sysctl", "-qw net.ipv4.ip_forward=1")?;
        }
        let network = Self { patient_link, provider_link, patient, provider, server, router, wan: 0, moves: 0 };
        network.route("")?;
        Ok(network)
    }

    /// Sets the router's rules: the patient's public address, and which packets it drops.
    fn route(&self, drops: &str) -> Result<(), LabError> {
        let wan = WAN[self.wan];
        let rules = format!(
            "table ip lab; flush table ip lab; table ip lab {{\n\
             chain nat {{ type nat hook postrouting priority 100; oifname wan0 snat to {wan}; }}\n\
             chain pass {{ type filter hook forward priority 0; {drops} }}\n}}"
        );
        namespace::run(self.router.command("nft").arg(rules)).map(|_| ())
    }

    /// Drops NAT mappings of these transports and switches to the other public address. Returns the time.
    pub(crate) fn rebind(&mut self, transports: &[Transport]) -> Result<f64, LabError> {
        self.wan = 1 - self.wan;
        self.route("")?;
        let at = clock::wall();
        for transport in transports {
            // Fails if there are no mappings to drop.
            let _ = self.router.run("conntrack", &format!("-D -p {}", transport.word()));
        }
        Ok(at)
    }

    /// Blocks transports of the patient. Returns the time.
    pub(crate) fn block(&self, transports: &[Transport]) -> Result<f64, LabError> {
        let drops: String = transports.iter().map(|it| format!("meta l4proto {} drop;", it.word())).collect();
        let at = clock::wall();
        self.route(&drops)?;
        Ok(at)
    }

    /// Drops the patient's UDP packets of more than `most` bytes with all headers, without an ICMP message. TCP passes, as
    /// on paths that reduce the maximum segment size. Returns the time.
    pub(crate) fn drop_large_datagrams(&self, most: u16) -> Result<f64, LabError> {
        let at = clock::wall();
        self.route(&format!("meta l4proto udp meta length > {most} drop;"))?;
        Ok(at)
    }

    /// Moves the patient's machine between Wi-Fi and mobile network. Returns the time.
    pub(crate) fn move_patient(&mut self) -> Result<f64, LabError> {
        self.moves += 1;
        let host = 10 + self.moves % 200;
        let (address, gateway) = if self.moves % 2 == 1 {
            (format!("10.64.0.{host}/16"), "10.64.0.1")
        } else {
            (format!("192.168.7.{host}/24"), "192.168.7.1")
        };
        let at = clock::wall();
        self.patient.ip("addr flush dev net0 scope global")?;
        self.patient.ip(&format!("addr add {address} dev net0"))?;
        self.patient.ip(&format!("route replace default via {gateway}"))?;
        Ok(at)
    }

    /// Restores everything except the patient's address.
    pub(crate) fn heal(&self) -> Result<(), LabError> {
        self.patient_link.set(PATIENT_LINK);
        self.provider_link.set(PROVIDER_LINK);
        self.route("")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Returns the round trips of pings to the server in ms, without lost ones.
    fn ping(from: &Namespace, count: u32) -> Vec<f64> {
        let (count, server) = (count.to_string(), SERVER.to_string());
        let mut command = from.command("ping");
        // Fails if there is no reply.
        let output = command.args(["-n", "-i", "0.02", "-W", "1", "-c", &count, &server]).output().expect("ping runs");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().filter_map(|line| line.split_once("time=")?.1.split(' ').next()?.parse().ok()).collect()
    }

    fn median(mut times: Vec<f64>) -> f64 {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    }

    #[test]
    #[ignore = "needs root, namespaces and ping: cargo xtask test lab"]
    fn both_reach_the_server_as_well_as_their_links_let_them() {
        let mut network = Network::build(1).expect("a network");
        assert!((20.0..40.0).contains(&median(ping(&network.patient, 20))));
        assert!((10.0..19.0).contains(&median(ping(&network.provider, 20))));

        let bad = Condition { loss: 0.2, burst: 2.0, delay: Duration::from_millis(40), ..PATIENT_LINK.up };
        network.patient_link.set(Conditions { up: bad, ..PATIENT_LINK });
        let came = ping(&network.patient, 200);
        assert!((130..190).contains(&came.len()), "{} of 200 came back", came.len());
        let middle = median(came);
        assert!((50.0..90.0).contains(&middle), "{middle} ms round trip");

        network.patient_link.set(PATIENT_LINK.cut());
        assert_eq!(ping(&network.patient, 3).len(), 0);
        assert_eq!(ping(&network.provider, 3).len(), 3);

        network.heal().expect("healed");
        network.move_patient().expect("moved");
        network.rebind(&[Transport::Udp]).expect("rebound");
        assert_eq!(ping(&network.patient, 3).len(), 3);
    }
}
