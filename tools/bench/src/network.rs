//! The network: a separate namespace, because Janus does not accept loopback addresses.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cores::run;
use crate::error::BenchError;

/// Prefix of the benchmark's namespaces, followed by the process ID.
const PREFIX: &str = "bedside-bench-";
/// The address of the server and the participants in it.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// The network of the server and the participants. Dropping it removes it.
pub(crate) struct Network {
    /// The namespace's name, if there is one.
    name: Option<String>,
    pub(crate) address: IpAddr,
}

impl Network {
    /// Returns this machine's loopback network.
    pub(crate) const fn of_this_machine() -> Self {
        Self { name: None, address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// Creates a namespace with a non-loopback address, and moves the calling thread and the processes it starts from
    /// now on into it permanently. Packets from this address to itself still use the loopback device.
    pub(crate) fn own() -> Result<Self, BenchError> {
        sweep();
        let name = format!("{PREFIX}{}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        // From here on, dropping the value removes what was created.
        let network = Self { name: Some(name.clone()), address: ADDRESS.into() };
        for words in [
            "link set lo up",
            "link add bench0 type veth peer name bench1",
            "addr add 10.77.0.1/24 dev bench0",
            "link set bench0 up",
            "link set bench1 up",
        ] {
            run(Command::new("ip").args(["-n", &name]).args(words.split_whitespace()))?;
        }
        let door = File::open(format!("/run/netns/{name}")).map_err(BenchError::system(name.as_str()))?;
        move_into_link_name_space(door.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(BenchError::system("entering a network namespace"))?;
        Ok(network)
    }

    /// Returns whether Janus can be used.
    pub(crate) const fn is_own(&self) -> bool {
        self.name.is_some()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = run(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

/// Removes namespaces left behind by killed runs, with the servers in them.
fn sweep() {
    let Ok(list) = run(Command::new("ip").args(["netns", "list"])) else { return };
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        let maker = name.strip_prefix(PREFIX);
        if maker.is_none_or(|process| Path::new("/proc").join(process).exists()) {
            continue;
        }
        let left = run(Command::new("ip").args(["netns", "pids", name])).unwrap_or_default();
        if !left.trim().is_empty() {
            let _ = run(Command::new("kill").arg("-KILL").args(left.split_whitespace()));
        }
        let _ = run(Command::new("ip").args(["netns", "del", name]));
    }
}
