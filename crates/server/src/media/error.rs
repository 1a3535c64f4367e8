//! Startup errors of the media server.

use std::io;
use std::net::SocketAddr;

use bedside_sfu::NoCertificate;

/// Why the media server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// A port is in use.
    #[error(
        "the media server cannot use {protocol} port {} of {}: another program uses it. \
         Stop that program or set another media.port (each of media.workers uses one port)",
        address.port(), address.ip()
    )]
    Busy {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// An address does not belong to this machine.
    #[error("the media server cannot listen on {}: it is not an address of this machine. Set another media.bind", address.ip())]
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
        /// The error of the operating system.
        source: io::Error,
    },
    /// The operating system refused a resource that every media thread needs.
    #[error("cannot set up a media thread: {0}")]
    Thread(#[source] io::Error),
    /// The DTLS certificate cannot be generated.
    #[error(transparent)]
    Certificate(#[from] NoCertificate),
}

impl MediaError {
    /// Converts a bind error to the variant that names its remedy.
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
