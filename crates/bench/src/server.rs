//! A server under test, whichever it is.

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
    /// Starts one. `bedside` is Bedside's program.
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

    /// KiB that it had before the first came in.
    pub(crate) fn resident_before(&self) -> u64 {
        match self {
            Self::Bedside(bedside) => bedside.resident_before,
            Self::Janus(janus) => janus.resident_before,
            Self::Floor(floor) => floor.resident_before,
        }
    }

    /// Lets everybody come in.
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

    /// Somebody leaves and comes again, where that is known how.
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
