//! Call backends other than the server's own media server.

pub(crate) mod cometchat;
