//! Why the media server does not start.

use std::io;
use std::net::SocketAddr;

use bedside_sfu::NoCertificate;

/// Why the media server does not start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A port is taken.
    #[error(
        "the media server cannot use {protocol} port {} of {}: another program has it. \
         Stop that program or write another media.port (each of media.workers takes one port)",
        address.port(), address.ip()
    )]
    Busy {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// An address is not this machine's.
    #[error("the media server cannot listen on {}: it is no address of this machine. Write another media.bind", address.ip())]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// An address cannot be used for another reason.
    #[error("the media server cannot use {protocol} on {address} (media.bind, media.port): {source}")]
    Bind {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system refuses what every media thread needs.
    #[error("a media thread cannot be set up: {0}")]
    Thread(#[source] io::Error),
    /// No certificate.
    #[error(transparent)]
    Certificate(#[from] NoCertificate),
}

impl MediaError {
    /// Names the remedy for a port that cannot be bound.
    pub(super) fn binding(protocol: &'static str, address: SocketAddr, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::AddrInUse {
            Self::Busy { protocol, address }
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            Self::NotOurs { address }
        } else {
            Self::Bind { protocol, address, source }
        }
    }
}
