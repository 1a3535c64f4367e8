//! The text of mails.

/// A mail without its recipient.
#[derive(Debug, Clone)]
pub(crate) enum Letter {
    /// A password reset link.
    Reset { link: Link, minutes: u64 },
    /// A notification about a change of sign-in methods.
    Changed(Change),
}

/// A URL that contains a secret. `Debug` does not print it.
#[derive(Clone)]
pub(crate) struct Link(pub(crate) String);

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// A change of sign-in methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Password,
    SecondStepAdded,
    SecondStepRemoved,
    ProviderLinked,
    ProviderUnlinked,
    PasskeyAdded,
    PasskeyRemoved,
    /// Many wrong codes were entered after the correct password.
    WrongCodes,
}

impl Letter {
    pub(super) fn subject(&self, clinic: &str) -> String {
        match self {
            Self::Reset { .. } => format!("A new password for {clinic}"),
            Self::Changed(_) => format!("Your account at {clinic}"),
        }
    }

    pub(super) fn text(&self, clinic: &str) -> String {
        match self {
            Self::Reset { link: Link(link), minutes } => format!(
                "A new password was requested for your account at {clinic}.\n\n\
                 If it was you, open this link within {minutes} minutes:\n\n{link}\n\n\
                 The link works once. If it was not you, ignore this e-mail. Your password stays the same.\n"
            ),
            Self::Changed(change) => format!(
                "{}\n\nIf it was you, you don't need to do anything. If it was not, contact {clinic} at once.\n",
                change.sentence(clinic)
            ),
        }
    }
}

impl Change {
    const ALL: [Self; 8] = [
        Self::Password,
        Self::SecondStepAdded,
        Self::SecondStepRemoved,
        Self::ProviderLinked,
        Self::ProviderUnlinked,
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::WrongCodes,
    ];

    /// Returns the name used for jobs in the database.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondStepAdded => "second_step_added",
            Self::SecondStepRemoved => "second_step_removed",
            Self::ProviderLinked => "provider_linked",
            Self::ProviderUnlinked => "provider_unlinked",
            Self::PasskeyAdded => "passkey_added",
            Self::PasskeyRemoved => "passkey_removed",
            Self::WrongCodes => "wrong_codes",
        }
    }

    /// Parses a job name. Returns `None` if it is not a change, or not known to this version.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|change| change.as_str() == name)
    }

    fn sentence(self, clinic: &str) -> String {
        match self {
            Self::Password => format!("The password of your account at {clinic} was changed."),
            Self::SecondStepAdded => format!("Two-factor authentication was turned on for your account at {clinic}."),
            Self::SecondStepRemoved => {
                format!("Two-factor authentication was turned off for your account at {clinic}.")
            }
            Self::WrongCodes => format!(
                "Your password for {clinic} was entered, and then ten wrong codes. Further attempts are slowed down. \
                 If it was not you, change your password now."
            ),
            Self::PasskeyAdded => format!("A passkey was added to your account at {clinic}."),
            Self::PasskeyRemoved => format!("A passkey was removed from your account at {clinic}."),
            Self::ProviderLinked => format!("Your account at {clinic} was connected to another account."),
            Self::ProviderUnlinked => format!("Your account at {clinic} is no longer connected to another account."),
        }
    }
}
