//! The faults and their targets.

use std::time::Duration;

/// A network or server fault.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// Description for the report.
    pub(crate) story: &'static str,
    pub(crate) course: Course,
    /// The figures it measures.
    pub(crate) figures: &'static [Figure],
}

/// How its trials are run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Course {
    /// The start of a meeting.
    Start,
    /// A running call is interrupted, restored after a while, and the time until media recovers is measured.
    Outage(Outage),
    /// A link with packet loss, measured in windows of ten seconds at both ends.
    Losses(Losses),
    /// Reduced bandwidth in one direction for a while.
    Capacity(Way),
}

/// The kind of interruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    NatRebind,
    NatRebindTcp,
    AddressChange,
    Partition(Duration),
    OneWay,
    UdpBlocked,
    SmallMtu,
    SignallingCut,
    ServerKill,
}

/// Packet loss in both directions, and the affected medium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Losses {
    /// Loss rate from 0 to 1.
    pub(crate) share: f64,
    /// Mean number of consecutive losses.
    pub(crate) burst: f64,
    pub(crate) suffers: Suffers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suffers {
    Sound,
    Picture,
}

/// A direction of the patient's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Its name in the table.
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    /// Target for p50, if any.
    pub(crate) p50: Option<f64>,
    /// Target for p95; `None` if the figure is only reported.
    pub(crate) p95: Option<f64>,
}

const fn figure(name: &'static str, unit: &'static str, p95: f64) -> Figure {
    Figure { name, unit, p50: None, p95: Some(p95) }
}

const AGAIN: &str = "media restored at both ends";
const NARROW: &[Figure] = &[
    figure("bitrate back at 90 %", "s", 10.0),
    Figure { name: "frozen video during the 10 s", unit: "s", p50: None, p95: None },
];

/// All faults, in the order of the table.
pub(crate) static FAULTS: [Fault; 17] = [
    Fault {
        name: "start",
        story: "Both participants wait; the provider presses Start meeting. Measured from the click event.",
        course: Course::Start,
        figures: &[
            figure("patient's page reacts", "s", 0.3),
            Figure { name: "both decode", unit: "s", p50: Some(0.5), p95: Some(1.5) },
        ],
    },
    Fault {
        name: "nat-rebind",
        story: "The router drops all UDP mappings and creates new ones with its other public address. Measured from \
                then.",
        course: Course::Outage(Outage::NatRebind),
        figures: &[figure(AGAIN, "s", 1.0)],
    },
    Fault {
        name: "nat-rebind-tcp",
        story: "The same for UDP and TCP, so that the signalling connection is dead as well.",
        course: Course::Outage(Outage::NatRebindTcp),
        figures: &[Figure { name: AGAIN, unit: "s", p50: None, p95: None }],
    },
    Fault {
        name: "address-change",
        story: "The patient's machine moves to another network with another address, as from Wi-Fi to a mobile \
                network. Measured from then.",
        course: Course::Outage(Outage::AddressChange),
        figures: &[figure(AGAIN, "s", 2.0)],
    },
    Fault {
        name: "partition-3",
        story: "The patient's link is down in both directions for 3 s. Measured from when it is up again.",
        course: Course::Outage(Outage::Partition(Duration::from_secs(3))),
        figures: &[figure(AGAIN, "s", 1.0)],
    },
    Fault {
        name: "partition-8",
        story: "The same for 8 s.",
        course: Course::Outage(Outage::Partition(Duration::from_secs(8))),
        figures: &[figure(AGAIN, "s", 2.0)],
    },
    Fault {
        name: "one-way",
        story: "The patient's uplink is down for 8 s, while the downlink works. Measured from when the uplink is up \
                again.",
        course: Course::Outage(Outage::OneWay),
        figures: &[Figure { name: AGAIN, unit: "s", p50: None, p95: None }],
    },
    Fault {
        name: "udp-blocked",
        story: "The router drops all UDP from now on, so that media must switch to TCP. Measured from then.",
        course: Course::Outage(Outage::UdpBlocked),
        figures: &[figure(AGAIN, "s", 5.0)],
    },
    Fault {
        name: "mtu-1200",
        story: "The router drops UDP packets of more than 1,200 bytes from now on, without an ICMP message, as some VPNs \
                do. Audio passes and video does not, so that media must switch to TCP. Measured from then.",
        course: Course::Outage(Outage::SmallMtu),
        figures: &[figure(AGAIN, "s", 8.0)],
    },
    Fault {
        name: "signalling-cut",
        story: "The router drops all TCP for 12 s: signalling fails, media does not. The longest media interruption \
                from the cut until 5 s after its end.",
        course: Course::Outage(Outage::SignallingCut),
        figures: &[figure("longest media interruption", "s", 0.5)],
    },
    Fault {
        name: "server-kill",
        story: "The server is killed (SIGKILL) and restarted with the same database. Measured from when it listens.",
        course: Course::Outage(Outage::ServerKill),
        figures: &[figure(AGAIN, "s", 3.0)],
    },
    Fault {
        name: "audio-loss-20",
        story: "20 % packet loss in both directions on the patient's link, in bursts of 2 on average, with a round \
                trip of 80 ms. The share of concealed audio in 10 s, after the first ten seconds.",
        course: Course::Losses(Losses { share: 0.2, burst: 2.0, suffers: Suffers::Sound }),
        figures: &[figure("concealed audio", "%", 3.0)],
    },
    Fault {
        name: "audio-loss-30",
        story: "The same with 30 %.",
        course: Course::Losses(Losses { share: 0.3, burst: 2.0, suffers: Suffers::Sound }),
        figures: &[figure("concealed audio", "%", 8.0)],
    },
    Fault {
        name: "video-loss-10",
        story: "10 % packet loss in both directions, with a round trip of 80 ms. The seconds of frozen video in 10 s, \
                after the first ten seconds.",
        course: Course::Losses(Losses { share: 0.1, burst: 1.0, suffers: Suffers::Picture }),
        figures: &[figure("frozen video in 10 s", "s", 0.5)],
    },
    Fault {
        name: "capacity-drop-up",
        story: "The patient's uplink drops to 300 kbit/s for 10 s. The time from its restoration until the provider \
                receives 90 % of the previous video bitrate, averaged over a second.",
        course: Course::Capacity(Way::Up),
        figures: NARROW,
    },
    Fault {
        name: "capacity-drop-down",
        story: "The same for the patient's downlink, measured at the patient.",
        course: Course::Capacity(Way::Down),
        figures: NARROW,
    },
    Fault {
        name: "partition-60",
        story: "The patient's link is down in both directions for 60 s. Three visits share each outage.",
        course: Course::Outage(Outage::Partition(Duration::from_secs(60))),
        figures: &[figure(AGAIN, "s", 3.0)],
    },
];

impl Fault {
    /// Returns a fault's position in the table.
    pub(crate) fn place(name: &str) -> Option<usize> {
        FAULTS.iter().position(|fault| fault.name == name)
    }

    /// Returns the maximum share of CPU time, 0 to 1, that the virtual machine's host may take away during a trial. In
    /// measurements over ten seconds, an interruption of half a second would be the host's.
    pub(crate) fn bears(&self) -> f64 {
        match self.course {
            Course::Start | Course::Outage(_) => 0.15,
            Course::Losses(_) | Course::Capacity(_) => 0.03,
        }
    }

    /// Returns whether it is part of the short run.
    pub(crate) fn is_quick(&self) -> bool {
        match self.course {
            Course::Start => true,
            Course::Outage(outage) => outage.visits() == 1,
            Course::Losses(_) | Course::Capacity(_) => false,
        }
    }
}

impl Outage {
    /// Returns how many visits share one interruption. Long ones are shared.
    pub(crate) fn visits(self) -> usize {
        match self {
            Self::Partition(lasts) if lasts > Duration::from_secs(30) => 3,
            Self::Partition(_)
            | Self::NatRebind
            | Self::NatRebindTcp
            | Self::AddressChange
            | Self::OneWay
            | Self::UdpBlocked
            | Self::SmallMtu
            | Self::SignallingCut
            | Self::ServerKill => 1,
        }
    }
}
