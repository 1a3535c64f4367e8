use bedside_visit::TermsId;

/// The clinic's terms for video visits, as people were shown them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Their name.
    pub id: TermsId,
    /// Their language (BCP 47).
    pub language: String,
    /// The words, 1 to 2,000 characters.
    pub text: String,
}
