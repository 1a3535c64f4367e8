-- Conventions.
--
-- Identifiers are 36-character TEXT, spelled as in addresses and in the log, so that an operator
-- with a database shell finds what a log line names. The few bytes saved by BLOBs do not matter here.
-- Moments (*_at) are INTEGER milliseconds since 1970-01-01T00:00:00Z. Flags are 0 or 1.
-- Tokens are never stored, only their 32-byte SHA-256.
-- CHECKs are named after the rule they keep: the name is what an error message shows.

CREATE TABLE users (
    id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT user_id_has_36_characters CHECK (length(id) = 36),
    -- The sign-in name, folded to lower case. NULL: comes by patient link only.
    email TEXT UNIQUE
        CONSTRAINT email_has_3_to_254_characters CHECK (length(email) BETWEEN 3 AND 254),
    password_hash TEXT
        CONSTRAINT password_hash_is_not_empty CHECK (length(password_hash) > 0),
    name TEXT NOT NULL
        CONSTRAINT name_has_1_to_200_characters CHECK (length(name) BETWEEN 1 AND 200),
    specialty TEXT,
    birth_date TEXT
        CONSTRAINT birth_date_is_iso_8601
            CHECK (birth_date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
    avatar_url TEXT,
    created_at INTEGER NOT NULL,
    disabled_at INTEGER
) STRICT;

CREATE TABLE appointments (
    id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT appointment_id_has_36_characters CHECK (length(id) = 36),
    start_at INTEGER NOT NULL,
    duration_minutes INTEGER NOT NULL
        CONSTRAINT duration_is_5_to_1440_minutes CHECK (duration_minutes BETWEEN 5 AND 1440),
    kind TEXT NOT NULL,
    reason TEXT,
    status TEXT NOT NULL
        CONSTRAINT appointment_status_is_known
            CHECK (status IN ('booked', 'arrived', 'fulfilled', 'cancelled', 'noshow')),
    patient_id TEXT NOT NULL REFERENCES users (id),
    provider_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    CONSTRAINT patient_is_not_the_provider CHECK (patient_id <> provider_id)
) STRICT;

-- A person's day.
CREATE INDEX appointments_of_patient ON appointments (patient_id, start_at);
CREATE INDEX appointments_of_provider ON appointments (provider_id, start_at);

CREATE TABLE sessions (
    token_hash BLOB NOT NULL PRIMARY KEY
        CONSTRAINT session_hash_has_32_bytes CHECK (length(token_hash) = 32),
    user_id TEXT NOT NULL REFERENCES users (id),
    -- NULL: a sign-in. Otherwise a patient link's session, good for this appointment only.
    appointment_id TEXT REFERENCES appointments (id),
    created_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE invites (
    token_hash BLOB NOT NULL PRIMARY KEY
        CONSTRAINT invite_hash_has_32_bytes CHECK (length(token_hash) = 32),
    appointment_id TEXT NOT NULL REFERENCES appointments (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    -- The session that the link was used for. No foreign key: a used link stays used, and stays
    -- bound to that one session, after the session is gone.
    session_hash BLOB
        CONSTRAINT invite_session_hash_has_32_bytes CHECK (length(session_hash) = 32),
    CONSTRAINT invite_is_used_for_a_session CHECK ((used_at IS NULL) = (session_hash IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX invites_of_appointment ON invites (appointment_id);
CREATE INDEX invites_of_session ON invites (session_hash) WHERE session_hash IS NOT NULL;

CREATE TABLE visits (
    -- The order in which visits began: the latest of an appointment has the highest.
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE
        CONSTRAINT visit_id_has_36_characters CHECK (length(id) = 36),
    appointment_id TEXT NOT NULL REFERENCES appointments (id),
    phase TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    end_reason TEXT
        CONSTRAINT end_reason_is_known CHECK (end_reason IN ('ended', 'missed', 'abandoned')),
    connected_at INTEGER,
    CONSTRAINT visit_phase_has_its_moments CHECK (
        CASE phase
            WHEN 'planned' THEN started_at IS NULL AND ended_at IS NULL AND end_reason IS NULL
            WHEN 'started' THEN started_at IS NOT NULL AND ended_at IS NULL AND end_reason IS NULL
            WHEN 'ended' THEN ended_at IS NOT NULL AND end_reason IS NOT NULL
            ELSE 0
        END
    )
) STRICT;

CREATE INDEX visits_of_appointment ON visits (appointment_id, sequence);
-- An appointment has at most one visit that has not ended.
CREATE UNIQUE INDEX open_visit_of_appointment ON visits (appointment_id) WHERE ended_at IS NULL;
-- What a restarted program continues.
CREATE INDEX started_visits ON visits (sequence) WHERE phase = 'started';

CREATE TABLE participants (
    visit_id TEXT NOT NULL REFERENCES visits (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL
        CONSTRAINT role_is_known CHECK (role IN ('patient', 'provider')),
    entered_at INTEGER,
    left_at INTEGER,
    microphone INTEGER NOT NULL
        CONSTRAINT microphone_is_a_flag CHECK (microphone IN (0, 1)),
    camera INTEGER NOT NULL
        CONSTRAINT camera_is_a_flag CHECK (camera IN (0, 1)),
    PRIMARY KEY (visit_id, user_id)
) STRICT, WITHOUT ROWID;

-- What happened, in the order in which it was written down. No foreign keys: it records what was
-- asked for, also of things that do not exist, and outlives everything it names.
CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    -- NULL: the passing of time, or somebody unknown.
    actor TEXT,
    action TEXT NOT NULL
        CONSTRAINT audit_action_is_a_code CHECK (length(action) BETWEEN 1 AND 64),
    appointment_id TEXT,
    visit_id TEXT,
    detail TEXT
        CONSTRAINT audit_detail_is_a_code CHECK (length(detail) BETWEEN 1 AND 64)
) STRICT;

CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;

-- INSERT OR REPLACE would delete without the trigger above.
CREATE TRIGGER audit_is_not_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE sequence = NEW.sequence)
BEGIN
    SELECT RAISE(ABORT, 'the audit log is append-only');
END;
