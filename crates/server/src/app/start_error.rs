//! Errors at startup.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use bedside_store::StoreError;

use crate::app::claim::ClaimError;
use crate::auth::PasswordError;
use crate::config::ConfigError;
use crate::keys::KeyError;
use crate::media::MediaError;
use crate::operator::backup::BackupError;

/// Why the server cannot start. Each message names the setting and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is invalid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The listen address is in use or does not belong to this host.
    #[error("cannot listen on {address} (server.listen): {source}. Stop the program using it, or choose another port")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The database folder cannot be created.
    #[error("cannot create the folder {folder} (database.path): {source}. Choose one that this user can write to")]
    Folder {
        /// The folder.
        folder: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("{0} (database.path)")]
    Store(#[from] StoreError),
    /// The database is encrypted with another root key.
    #[error(transparent)]
    Sealed(StoreError),
    /// Another process is serving this database.
    #[error("{0} (database.path)")]
    Claim(#[from] ClaimError),
    /// An interrupted restore cannot be completed.
    #[error("cannot complete an interrupted restore: {0}")]
    Restore(#[from] BackupError),
    /// The database is damaged, after a crash or because a copy was put in its place.
    #[error("the database {path} is damaged. Restore a backup with `bedside restore`", path = path.display())]
    Damaged {
        /// The damaged file.
        path: PathBuf,
        /// What the check found.
        source: StoreError,
    },
    /// The media ports cannot be used.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// The TLS certificate cannot be used.
    #[error("server.tls: {0}")]
    Tls(String),
    /// CometChat cannot be used.
    #[error("[cometchat]: {0}")]
    CometChat(String),
    /// Mail cannot be sent.
    #[error("[mail]: {0}")]
    Mail(String),
    /// The metrics token cannot be read.
    #[error("{0}")]
    Metrics(String),
    /// Tracing cannot be set up.
    #[error("{0}")]
    Tracing(String),
    /// The OpenID provider cannot be used.
    #[error("[oidc]: {0}")]
    Oidc(String),
    /// This build does not include the CometChat client.
    #[error(
        "[cometchat]: this build does not include CometChat's client, which has its own licence. Build with `cargo xtask build --cometchat`, or remove the section"
    )]
    NoCometChatClient,
    /// The root key is missing or unusable.
    #[error("{0} (database.key)")]
    Key(#[from] KeyError),
    /// Password hashing does not work on this machine.
    #[error(transparent)]
    Passwords(#[from] PasswordError),
    /// An operating system error.
    #[error("the server stopped: {0}")]
    Io(#[from] io::Error),
}
