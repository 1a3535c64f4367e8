//! The pages of a visit's participants: the link, the call and its end.

pub(crate) mod call;
pub(crate) mod cometchat;
pub(crate) mod ended;
mod in_app_browser;
pub(crate) mod invite;
pub(in crate::pages) mod visits;
