use bedside_visit::TermsId;

/// The clinic's terms for video visits, as they were displayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Their ID.
    pub id: TermsId,
    /// Their language (BCP 47).
    pub language: String,
    /// The text, 1 to 2,000 characters.
    pub text: String,
}
