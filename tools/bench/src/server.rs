//! A server under test of any kind.

use std::path::Path;

use crate::bedside::Bedside;
use crate::error::BenchError;
use crate::floor::Floor;
use crate::generator::Generator;
use crate::janus::Janus;
use crate::network::Network;
use crate::options::{Load, Target};

/// A running server.
pub(crate) enum Server {
    Bedside(Box<Bedside>),
    Janus(Box<Janus>),
    Floor(Box<Floor>),
}

impl Server {
    /// Starts a server. `bedside` is the path of Bedside's binary.
    pub(crate) async fn start(target: Target, bedside: &Path, network: &Network) -> Result<Self, BenchError> {
        Ok(match target {
            Target::Bedside => Self::Bedside(Box::new(Bedside::start(bedside, network).await?)),
            Target::Janus => Self::Janus(Box::new(Janus::start(network).await?)),
            Target::Floor => Self::Floor(Box::new(Floor::start(network)?)),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Bedside(bedside) => bedside.pid(),
            Self::Janus(janus) => janus.pid(),
            Self::Floor(floor) => floor.pid(),
        }
    }

    /// Returns the resident memory in KiB before anyone joined.
    pub(crate) fn resident_before(&self) -> u64 {
        match self {
            Self::Bedside(bedside) => bedside.resident_before,
            Self::Janus(janus) => janus.resident_before,
            Self::Floor(floor) => floor.resident_before,
        }
    }

    /// Lets all participants join.
    pub(crate) async fn fill(
        &mut self,
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<(), BenchError> {
        match self {
            Self::Bedside(bedside) => bedside.fill(load, network, generator).await,
            Self::Janus(janus) => janus.fill(load, network, generator).await,
            Self::Floor(floor) => floor.fill(load, network, generator),
        }
    }

    /// Lets a participant leave and rejoin, if supported.
    pub(crate) async fn churn(
        &mut self,
        load: &Load,
        network: &Network,
        generator: &mut Generator,
    ) -> Result<(), BenchError> {
        match self {
            Self::Bedside(bedside) => bedside.churn(load, network, generator).await,
            Self::Janus(_) | Self::Floor(_) => Ok(()),
        }
    }
}
