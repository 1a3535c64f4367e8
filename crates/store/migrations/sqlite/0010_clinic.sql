-- What somebody is in the clinic as a whole, whatever they are in appointments.
ALTER TABLE users ADD COLUMN clinic_role TEXT
    CONSTRAINT clinic_role_is_known CHECK (clinic_role IN ('staff', 'admin', 'integrator'));

CREATE TRIGGER another_clinic_role_changes_rights AFTER UPDATE OF clinic_role ON users
BEGIN
    UPDATE rights SET epoch = epoch + 1;
END;

-- Who booked it: somebody at the front desk, or another program. NULL: the operator.
ALTER TABLE appointments ADD COLUMN booked_by TEXT REFERENCES users (id);
CREATE INDEX appointments_by_start ON appointments (start_at);

-- Who may come beside the patient and the provider.
CREATE TABLE companions (
    appointment_id TEXT NOT NULL REFERENCES appointments (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL
        CONSTRAINT companion_role_is_known CHECK (role IN ('guest', 'interpreter', 'observer')),
    added_at INTEGER NOT NULL,
    PRIMARY KEY (appointment_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX companions_of_user ON companions (user_id);

CREATE TRIGGER a_removed_companion_changes_rights AFTER DELETE ON companions
BEGIN
    UPDATE rights SET epoch = epoch + 1;
END;

-- A link lets one person in, in one role. NULL: the patient, as all links were before.
ALTER TABLE invites ADD COLUMN user_id TEXT REFERENCES users (id);
ALTER TABLE invites ADD COLUMN role TEXT
    CONSTRAINT invite_role_is_known CHECK (role IN ('patient', 'provider', 'guest', 'interpreter', 'observer'));
UPDATE invites SET role = 'patient',
    user_id = (SELECT patient_id FROM appointments a WHERE a.id = invites.appointment_id);

-- As what a link's session came in.
ALTER TABLE sessions ADD COLUMN role TEXT
    CONSTRAINT session_role_is_known CHECK (role IN ('patient', 'provider', 'guest', 'interpreter', 'observer'));
UPDATE sessions SET role = 'patient' WHERE appointment_id IS NOT NULL;

-- Keys with which other programs get access tokens.
CREATE TABLE client_keys (
    id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT client_key_id_has_36_characters CHECK (length(id) = 36),
    user_id TEXT NOT NULL REFERENCES users (id),
    secret_hash BLOB NOT NULL
        CONSTRAINT client_key_hash_has_32_bytes CHECK (length(secret_hash) = 32),
    -- Words with a space between two.
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Other programs whose signed join tokens are taken, and the keys they sign with (RFC 7517).
CREATE TABLE issuers (
    issuer TEXT NOT NULL PRIMARY KEY
        CONSTRAINT issuer_has_1_to_200_characters CHECK (length(issuer) BETWEEN 1 AND 200),
    user_id TEXT NOT NULL REFERENCES users (id),
    jwks TEXT NOT NULL
        CONSTRAINT jwks_has_2_to_20000_characters CHECK (length(jwks) BETWEEN 2 AND 20000),
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Links that were used, and are opened on another device: the provider or the front desk lets it in, or does not.
CREATE TABLE admissions (
    id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT admission_id_has_36_characters CHECK (length(id) = 36),
    invite_hash BLOB NOT NULL REFERENCES invites (token_hash),
    -- The session that the other device is to have.
    session_hash BLOB NOT NULL UNIQUE
        CONSTRAINT admission_session_hash_has_32_bytes CHECK (length(session_hash) = 32),
    device TEXT
        CONSTRAINT admission_device_has_1_to_60_characters CHECK (length(device) BETWEEN 1 AND 60),
    asked_at INTEGER NOT NULL,
    answered_at INTEGER,
    admitted INTEGER
        CONSTRAINT admitted_is_yes_or_no CHECK (admitted IN (0, 1)),
    CONSTRAINT admission_is_answered_yes_or_no CHECK ((answered_at IS NULL) = (admitted IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX admissions_by_time ON admissions (asked_at);
