//! The members of a room, and whose media may be forwarded to whom.

use bedside_visit::{Layer, UserId};
use str0m::media::MediaKind;

use crate::command::{Forwarding, PeerId};
use crate::speaker::Speakers;

/// The connected users of one visit.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) members: Vec<Member>,
    pub(crate) speakers: Speakers,
}

/// A user with their connections.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) user: UserId,
    pub(crate) forwarding: Forwarding,
    /// The connection whose media is forwarded.
    pub(crate) live: PeerId,
    /// A newer connection that takes over when it is up.
    pub(crate) incoming: Option<PeerId>,
    /// How large the user's page displays the others, as far as it reported.
    pub(crate) watches: Vec<(UserId, Option<Layer>)>,
}

impl Member {
    fn publishes(&self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.forwarding.microphone,
            MediaKind::Video => self.forwarding.camera,
        }
    }
}

impl Member {
    /// Returns the largest layer of a participant's video that the user's page can use.
    pub(crate) fn most(&self, from: UserId) -> Option<Layer> {
        self.watches.iter().find(|(user, _)| *user == from).map_or(Some(Layer::Full), |(_, most)| *most)
    }
}

impl Room {
    /// Returns whether more than two users are admitted.
    pub(crate) fn is_company(&self) -> bool {
        self.members.iter().filter(|member| member.forwarding.admitted).count() > 2
    }

    pub(crate) fn member(&self, user: UserId) -> Option<&Member> {
        self.members.iter().find(|member| member.user == user)
    }

    pub(crate) fn member_mut(&mut self, user: UserId) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.user == user)
    }

    /// Returns the connection whose media of this kind may be forwarded from one user to another.
    pub(crate) fn source(&self, from: UserId, to: UserId, kind: MediaKind) -> Option<PeerId> {
        let (publisher, receiver) = (self.member(from)?, self.member(to)?);
        let allowed =
            from != to && publisher.forwarding.admitted && receiver.forwarding.admitted && publisher.publishes(kind);
        allowed.then_some(publisher.live)
    }

    /// Removes a connection. A newer one, if any, takes its place.
    pub(crate) fn remove(&mut self, user: UserId, peer: PeerId) {
        let Some(at) = self.members.iter().position(|member| member.user == user) else { return };
        let member = &mut self.members[at];
        if member.incoming == Some(peer) {
            member.incoming = None;
        } else if member.live == peer {
            match member.incoming.take() {
                Some(incoming) => member.live = incoming,
                None => {
                    self.members.swap_remove(at);
                }
            }
        }
    }
}
