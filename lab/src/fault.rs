//! The faults, and what is promised about each.

use std::time::Duration;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Start,
    NatRebind,
    NatRebindTcp,
    AddressChange,
    Partition3,
    Partition8,
    Partition60,
    OneWay,
    UdpBlocked,
    SignallingCut,
    ServerKill,
    AudioLoss20,
    AudioLoss30,
    VideoLoss10,
    UplinkDrop,
    DownlinkDrop,
}

/// How its trials are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// Something breaks a running call, is mended after a while, and the media are waited for.
    Outage,
    /// A lossy link, measured in windows of ten seconds, at both ends.
    Windows,
    /// Less bandwidth for a while.
    Capacity,
    /// The beginning of a meeting.
    Start,
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

impl Fault {
    /// All of them, as in the table.
    pub(crate) const ALL: [Self; 16] = [
        Self::Start,
        Self::NatRebind,
        Self::NatRebindTcp,
        Self::AddressChange,
        Self::Partition3,
        Self::Partition8,
        Self::OneWay,
        Self::UdpBlocked,
        Self::SignallingCut,
        Self::ServerKill,
        Self::AudioLoss20,
        Self::AudioLoss30,
        Self::VideoLoss10,
        Self::UplinkDrop,
        Self::DownlinkDrop,
        Self::Partition60,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::NatRebind => "nat-rebind",
            Self::NatRebindTcp => "nat-rebind-tcp",
            Self::AddressChange => "address-change",
            Self::Partition3 => "partition-3",
            Self::Partition8 => "partition-8",
            Self::Partition60 => "partition-60",
            Self::OneWay => "one-way",
            Self::UdpBlocked => "udp-blocked",
            Self::SignallingCut => "signalling-cut",
            Self::ServerKill => "server-kill",
            Self::AudioLoss20 => "audio-loss-20",
            Self::AudioLoss30 => "audio-loss-30",
            Self::VideoLoss10 => "video-loss-10",
            Self::UplinkDrop => "capacity-drop-up",
            Self::DownlinkDrop => "capacity-drop-down",
        }
    }

    /// What happens, for the report.
    pub(crate) fn story(self) -> &'static str {
        match self {
            Self::Start => "Both wait; the provider presses Start meeting. Counted from the click event.",
            Self::NatRebind => {
                "The router forgets all UDP mappings and gives new ones from its other public address. Counted from then."
            }
            Self::NatRebindTcp => "The same for UDP and TCP: the signalling connection is dead as well.",
            Self::AddressChange => {
                "The patient's machine loses its address and network and gets others, as from Wi-Fi to a mobile network. \
                 Counted from then."
            }
            Self::Partition3 => "Nothing passes the patient's link, either way, for 3 s. Counted from when it passes again.",
            Self::Partition8 => "The same for 8 s.",
            Self::Partition60 => "The same for 60 s. Three visits share each cut.",
            Self::OneWay => {
                "Nothing passes from the patient for 8 s, while all still passes to them. Counted from when it passes again."
            }
            Self::UdpBlocked => "The router drops all UDP from now on. Counted from then: media must go by TCP.",
            Self::SignallingCut => {
                "The router drops all TCP for 12 s: signalling is dead, media are not. The longest standstill of media \
                 from the cut until 5 s after it."
            }
            Self::ServerKill => {
                "The program is killed (SIGKILL) and started again on the same database. Counted from when it listens."
            }
            Self::AudioLoss20 => {
                "20 % of all packets lost both ways on the patient's link, in bursts of 2 on average, 80 ms there and back. The \
                 share of sound that was invented in 10 s."
            }
            Self::AudioLoss30 => "The same with 30 %.",
            Self::VideoLoss10 => {
                "10 % of all packets lost both ways, 80 ms there and back. Seconds in which the picture stood frozen, of 10 s."
            }
            Self::UplinkDrop => {
                "The patient's uplink falls to 300 kbit/s for 10 s. From its return until the provider receives 90 % of the \
                 picture's bitrate before."
            }
            Self::DownlinkDrop => "The same for the patient's downlink, measured at the patient.",
        }
    }

    pub(crate) fn course(self) -> Course {
        match self {
            Self::Start => Course::Start,
            Self::AudioLoss20 | Self::AudioLoss30 | Self::VideoLoss10 => Course::Windows,
            Self::UplinkDrop | Self::DownlinkDrop => Course::Capacity,
            Self::NatRebind
            | Self::NatRebindTcp
            | Self::AddressChange
            | Self::Partition3
            | Self::Partition8
            | Self::Partition60
            | Self::OneWay
            | Self::UdpBlocked
            | Self::SignallingCut
            | Self::ServerKill => Course::Outage,
        }
    }

    /// The rows it fills.
    pub(crate) fn figures(self) -> &'static [Figure] {
        const START: &[Figure] = &[
            figure("patient's page reacts", "s", 0.3),
            Figure { name: "both decode", unit: "s", p50: Some(0.5), p95: Some(1.5) },
        ];
        const SECOND: &[Figure] = &[figure("media at both ends again", "s", 1.0)];
        const TWO: &[Figure] = &[figure("media at both ends again", "s", 2.0)];
        const THREE: &[Figure] = &[figure("media at both ends again", "s", 3.0)];
        const FIVE: &[Figure] = &[figure("media at both ends again", "s", 5.0)];
        const UNPROMISED: &[Figure] = &[Figure { name: "media at both ends again", unit: "s", p50: None, p95: None }];
        const STILL: &[Figure] = &[figure("longest standstill of media", "s", 0.5)];
        const CONCEALED_20: &[Figure] = &[figure("sound invented", "%", 3.0)];
        const CONCEALED_30: &[Figure] = &[figure("sound invented", "%", 8.0)];
        const FROZEN: &[Figure] = &[figure("picture frozen, of 10 s", "s", 0.5)];
        const BITRATE: &[Figure] = &[figure("bitrate 90 % of before", "s", 10.0)];
        match self {
            Self::Start => START,
            Self::NatRebind | Self::Partition3 => SECOND,
            Self::AddressChange | Self::Partition8 => TWO,
            Self::Partition60 | Self::ServerKill => THREE,
            Self::NatRebindTcp | Self::OneWay => UNPROMISED,
            Self::UdpBlocked => FIVE,
            Self::SignallingCut => STILL,
            Self::AudioLoss20 => CONCEALED_20,
            Self::AudioLoss30 => CONCEALED_30,
            Self::VideoLoss10 => FROZEN,
            Self::UplinkDrop | Self::DownlinkDrop => BITRATE,
        }
    }

    /// How long the fault lasts before it is mended.
    pub(crate) fn lasts(self) -> Duration {
        Duration::from_secs(match self {
            Self::Partition3 => 3,
            Self::Partition8 | Self::OneWay => 8,
            Self::Partition60 => 60,
            Self::SignallingCut => 12,
            Self::UplinkDrop | Self::DownlinkDrop => 10,
            Self::Start
            | Self::NatRebind
            | Self::NatRebindTcp
            | Self::AddressChange
            | Self::UdpBlocked
            | Self::ServerKill
            | Self::AudioLoss20
            | Self::AudioLoss30
            | Self::VideoLoss10 => 0,
        })
    }

    /// How many visits go through it at once.
    pub(crate) fn visits(self) -> usize {
        if self == Self::Partition60 { 3 } else { 1 }
    }

    /// Whether it belongs to the short form.
    pub(crate) fn is_quick(self) -> bool {
        self.course() == Course::Start || (self.course() == Course::Outage && self != Self::Partition60)
    }
}
