//! File descriptor limit of the process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors needed in addition to connections: database, media ports, media over TCP.
const BESIDE: u64 = 1_024;

/// Raises the file descriptor limit of the process to what the connection limits need. The initial soft limit is often
/// 1,024.
pub(crate) fn make_room(connections: usize) {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE);
    let now = getrlimit(Resource::Nofile);
    if now.current.is_none_or(|current| current >= needed) {
        return;
    }
    let given = now.maximum.map_or(needed, |maximum| needed.min(maximum));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(given), maximum: now.maximum });
    if raised.is_err() || given < needed {
        tracing::warn!(
            needed,
            given,
            "open file limit is too low for server.limits.connections: raise it (LimitNOFILE in systemd), or lower the setting"
        );
    }
}
