-- The clinic's terms for video visits, each as it was shown.
CREATE TABLE terms (
    id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT terms_are_named_by_half_a_hash CHECK (length(id) = 32),
    language TEXT NOT NULL,
    text TEXT NOT NULL
        CONSTRAINT terms_have_1_to_2000_characters CHECK (length(text) BETWEEN 1 AND 2000),
    first_at INTEGER NOT NULL
) STRICT;

-- Who agreed to which of them, or took it back. A line is never altered.
CREATE TABLE consents (
    sequence INTEGER NOT NULL PRIMARY KEY,
    visit_id TEXT NOT NULL REFERENCES visits (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    terms_id TEXT NOT NULL REFERENCES terms (id),
    given INTEGER NOT NULL
        CONSTRAINT given_is_yes_or_no CHECK (given IN (0, 1)),
    -- How: by their own click in the visit's page.
    method TEXT NOT NULL
        CONSTRAINT consent_method_is_known CHECK (method IN ('page')),
    at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER terms_are_not_updated BEFORE UPDATE ON terms
BEGIN
    SELECT RAISE(ABORT, 'terms stay as they were shown');
END;

CREATE TRIGGER consents_are_not_updated BEFORE UPDATE ON consents
BEGIN
    SELECT RAISE(ABORT, 'consents are append-only');
END;

CREATE TRIGGER consents_are_not_deleted BEFORE DELETE ON consents
BEGIN
    SELECT RAISE(ABORT, 'consents are append-only');
END;

-- Where it is not known to what somebody agreed, they are asked again.
ALTER TABLE participants ADD COLUMN consent_terms TEXT REFERENCES terms (id);
