//! The faults, and what is promised about each.

use std::time::Duration;

/// Something that goes wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// What happens, for the report.
    pub(crate) story: &'static str,
    pub(crate) course: Course,
    /// The rows it fills.
    pub(crate) figures: &'static [Figure],
}

/// How its trials are run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Course {
    /// The beginning of a meeting.
    Start,
    /// Something breaks a running call, is mended after a while, and the media are waited for.
    Outage(Outage),
    /// A lossy link, measured in windows of ten seconds, at both ends.
    Losses(Losses),
    /// Less bandwidth one way for a while.
    Capacity(Way),
}

/// What breaks a running call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outage {
    NatRebind,
    NatRebindTcp,
    AddressChange,
    Partition(Duration),
    OneWay,
    UdpBlocked,
    SignallingCut,
    ServerKill,
}

/// Losses both ways, and what suffers by them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Losses {
    /// 0 to 1.
    pub(crate) share: f64,
    /// How many in a row, on average.
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
    /// The highest p50, where one is promised.
    pub(crate) p50: Option<f64>,
    /// The highest p95; `None`: it is told, not promised.
    pub(crate) p95: Option<f64>,
}

const fn figure(name: &'static str, unit: &'static str, p95: f64) -> Figure {
    Figure { name, unit, p50: None, p95: Some(p95) }
}

const AGAIN: &str = "media at both ends again";
const NARROW: &[Figure] = &[
    figure("bitrate 90 % of before", "s", 10.0),
    Figure { name: "picture frozen meanwhile, of 10 s", unit: "s", p50: None, p95: None },
];

/// All of them, as in the table.
pub(crate) static FAULTS: [Fault; 16] = [
    Fault {
        name: "start",
        story: "Both wait; the provider presses Start meeting. Counted from the click event.",
        course: Course::Start,
        figures: &[
            figure("patient's page reacts", "s", 0.3),
            Figure { name: "both decode", unit: "s", p50: Some(0.5), p95: Some(1.5) },
        ],
    },
    Fault {
        name: "nat-rebind",
        story: "The router forgets all UDP mappings and gives new ones from its other public address. Counted from then.",
        course: Course::Outage(Outage::NatRebind),
        figures: &[figure(AGAIN, "s", 1.0)],
    },
    Fault {
        name: "nat-rebind-tcp",
        story: "The same for UDP and TCP: the signalling connection is dead as well.",
        course: Course::Outage(Outage::NatRebindTcp),
        figures: &[Figure { name: AGAIN, unit: "s", p50: None, p95: None }],
    },
    Fault {
        name: "address-change",
        story: "The patient's machine loses its address and network and gets others, as from Wi-Fi to a mobile network. \
                Counted from then.",
        course: Course::Outage(Outage::AddressChange),
        figures: &[figure(AGAIN, "s", 2.0)],
    },
    Fault {
        name: "partition-3",
        story: "Nothing passes the patient's link, either way, for 3 s. Counted from when it passes again.",
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
        story: "Nothing passes from the patient for 8 s, while all still passes to them. Counted from when it passes again.",
        course: Course::Outage(Outage::OneWay),
        figures: &[Figure { name: AGAIN, unit: "s", p50: None, p95: None }],
    },
    Fault {
        name: "udp-blocked",
        story: "The router drops all UDP from now on. Counted from then: media must go by TCP.",
        course: Course::Outage(Outage::UdpBlocked),
        figures: &[figure(AGAIN, "s", 5.0)],
    },
    Fault {
        name: "signalling-cut",
        story: "The router drops all TCP for 12 s: signalling is dead, media are not. The longest standstill of media from \
                the cut until 5 s after it.",
        course: Course::Outage(Outage::SignallingCut),
        figures: &[figure("longest standstill of media", "s", 0.5)],
    },
    Fault {
        name: "server-kill",
        story: "The program is killed (SIGKILL) and started again on the same database. Counted from when it listens.",
        course: Course::Outage(Outage::ServerKill),
        figures: &[figure(AGAIN, "s", 3.0)],
    },
    Fault {
        name: "audio-loss-20",
        story: "20 % of all packets lost both ways on the patient's link, in bursts of 2 on average, 80 ms there and back. \
                From ten seconds on, the share of sound that was invented in 10 s.",
        course: Course::Losses(Losses { share: 0.2, burst: 2.0, suffers: Suffers::Sound }),
        figures: &[figure("sound invented", "%", 3.0)],
    },
    Fault {
        name: "audio-loss-30",
        story: "The same with 30 %.",
        course: Course::Losses(Losses { share: 0.3, burst: 2.0, suffers: Suffers::Sound }),
        figures: &[figure("sound invented", "%", 8.0)],
    },
    Fault {
        name: "video-loss-10",
        story: "10 % of all packets lost both ways, 80 ms there and back. From ten seconds on, those in which the \
                picture stood frozen, of 10 s.",
        course: Course::Losses(Losses { share: 0.1, burst: 1.0, suffers: Suffers::Picture }),
        figures: &[figure("picture frozen, of 10 s", "s", 0.5)],
    },
    Fault {
        name: "capacity-drop-up",
        story: "The patient's uplink falls to 300 kbit/s for 10 s. From its return until the provider receives 90 % of the \
                picture's bitrate before, as a mean over a second.",
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
        story: "Nothing passes the patient's link, either way, for 60 s. Three visits share each cut.",
        course: Course::Outage(Outage::Partition(Duration::from_secs(60))),
        figures: &[figure(AGAIN, "s", 3.0)],
    },
];

impl Fault {
    /// The place of a fault in the table.
    pub(crate) fn place(name: &str) -> Option<usize> {
        FAULTS.iter().position(|fault| fault.name == name)
    }

    /// The share of the processors' time, 0 to 1, that the machine's host may take away during a trial. Where every moment of
    /// ten seconds counts, a standstill of half a second is the host's.
    pub(crate) fn bears(&self) -> f64 {
        match self.course {
            Course::Start | Course::Outage(_) => 0.15,
            Course::Losses(_) | Course::Capacity(_) => 0.03,
        }
    }

    /// Whether it belongs to the short form.
    pub(crate) fn is_quick(&self) -> bool {
        match self.course {
            Course::Start => true,
            Course::Outage(outage) => outage.visits() == 1,
            Course::Losses(_) | Course::Capacity(_) => false,
        }
    }
}

impl Outage {
    /// How many visits go through it at once: long ones are shared.
    pub(crate) fn visits(self) -> usize {
        match self {
            Self::Partition(lasts) if lasts > Duration::from_secs(30) => 3,
            Self::Partition(_)
            | Self::NatRebind
            | Self::NatRebindTcp
            | Self::AddressChange
            | Self::OneWay
            | Self::UdpBlocked
            | Self::SignallingCut
            | Self::ServerKill => 1,
        }
    }
}
