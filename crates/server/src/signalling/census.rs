//! Counts live visits by stage, for metrics.

use bedside_visit::Role;
use bedside_visit::view::{Presence, Stage, View};

/// Number of visits at each stage, as providers see the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) stages: [(&'static str, u64); 9],
    /// Number of patients in the waiting room whose provider is not with them.
    pub(crate) waiting: u64,
}

impl Census {
    /// Counts the given provider views.
    pub(super) fn of<'a>(views: impl Iterator<Item = &'a View>) -> Self {
        let names =
            ["idle", "calling", "unanswered", "declined", "connected", "reconnecting", "alone", "left", "ended"];
        let mut census = Self { stages: names.map(|name| (name, 0)), waiting: 0 };
        for view in views {
            let name = name_of(&view.stage);
            census.stages.iter_mut().filter(|(stage, _)| *stage == name).for_each(|(_, count)| *count += 1);
            let is_in = |presence| matches!(presence, Presence::Here { .. } | Presence::Away { .. });
            let waits = |of: &Role, presence| *of == Role::Patient && is_in(presence);
            let patient_waits = view.others.iter().any(|other| waits(&other.role, other.presence));
            let is_over = matches!(view.stage, Stage::Ended { .. });
            census.waiting += u64::from(patient_waits && !is_over && !is_in(view.you.presence));
        }
        census
    }
}

const fn name_of(stage: &Stage) -> &'static str {
    match stage {
        Stage::Preparing => "preparing",
        Stage::Waiting { .. } => "waiting",
        Stage::Called { .. } => "called",
        Stage::Idle => "idle",
        Stage::Calling { .. } => "calling",
        Stage::Unanswered { .. } => "unanswered",
        Stage::Declined { .. } => "declined",
        Stage::Connected { .. } => "connected",
        Stage::Reconnecting { .. } => "reconnecting",
        Stage::Alone { .. } => "alone",
        Stage::Left { .. } => "left",
        Stage::Ended { .. } => "ended",
    }
}
