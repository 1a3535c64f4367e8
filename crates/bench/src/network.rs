//! The network that everything runs on: a namespace of its own, because Janus takes no loopback address.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cores::run;
use crate::error::BenchError;

/// All our namespaces begin with this, and go on with the process that made them.
const PREFIX: &str = "bedside-bench-";
/// The address of server and people in it.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// Where server and people are. Dropping it takes it down.
pub(crate) struct Network {
    /// The namespace's name; none where there is none.
    name: Option<String>,
    pub(crate) address: IpAddr,
}

impl Network {
    /// This machine's loopback.
    pub(crate) const fn of_this_machine() -> Self {
        Self { name: None, address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }

    /// Makes a namespace with an address that is not loopback, and moves the calling thread into it for good, with what it
    /// starts from now on. Packets from this address to itself take the loopback device all the same.
    pub(crate) fn own() -> Result<Self, BenchError> {
        sweep();
        let name = format!("{PREFIX}{}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))?;
        // From here on, dropping it removes what was made.
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

    /// Whether Janus can be on it.
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

/// Removes what runs left behind that were killed, with the servers in it.
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
