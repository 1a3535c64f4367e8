-- What people wrote and who they are is sealed: the file alone tells nobody. crates/store/src/seal.rs says how.

-- The keys of what is sealed, each wrapped with the program's root key, which is nowhere in here.
CREATE TABLE data_keys (
    id BLOB NOT NULL PRIMARY KEY
        CONSTRAINT data_key_id_has_8_bytes CHECK (length(id) = 8),
    -- A user: their name, their date of birth, the kinds of the appointments that they are the patient of.
    -- Or an appointment: its reason and its messages, which are gone for good once their key is.
    owner TEXT NOT NULL UNIQUE
        CONSTRAINT data_key_owner_has_36_characters CHECK (length(owner) = 36),
    -- The name of the root key that it is wrapped with.
    root BLOB NOT NULL
        CONSTRAINT root_has_8_bytes CHECK (length(root) = 8),
    wrapped BLOB NOT NULL
        CONSTRAINT data_key_is_wrapped CHECK (length(wrapped) = 60),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX data_keys_by_root ON data_keys (root);
CREATE INDEX data_keys_by_age ON data_keys (created_at);

-- Root keys of before. Sealed with the present one: what heads of the audit log that they signed are checked with.
CREATE TABLE retired_roots (
    root BLOB NOT NULL PRIMARY KEY
        CONSTRAINT retired_root_has_8_bytes CHECK (length(root) = 8),
    at INTEGER NOT NULL,
    sealed BLOB NOT NULL
        CONSTRAINT retired_root_is_sealed CHECK (length(sealed) BETWEEN 29 AND 200)
) STRICT, WITHOUT ROWID;

-- What was plain until now. The program seals it and drops this table, once (crates/store/src/sqlite/sealing.rs).
CREATE TABLE unsealed (
    place TEXT NOT NULL,
    row TEXT NOT NULL,
    owner TEXT NOT NULL,
    at INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (place, row)
) STRICT, WITHOUT ROWID;

INSERT INTO unsealed SELECT 'users.name', id, id, created_at, name FROM users;
INSERT INTO unsealed SELECT 'users.birth_date', id, id, created_at, birth_date FROM users WHERE birth_date IS NOT NULL;
INSERT INTO unsealed SELECT 'appointments.kind', id, patient_id, created_at, kind FROM appointments;
INSERT INTO unsealed SELECT 'appointments.reason', id, id, created_at, reason FROM appointments WHERE reason IS NOT NULL;
INSERT INTO unsealed
    SELECT 'messages.text', m.visit_id || '/' || m.number, v.appointment_id, m.at, m.text
    FROM messages m JOIN visits v ON v.id = m.visit_id;

ALTER TABLE users DROP COLUMN name;
ALTER TABLE users ADD COLUMN name BLOB
    CONSTRAINT name_is_sealed CHECK (length(name) > 37);
ALTER TABLE users DROP COLUMN birth_date;
ALTER TABLE users ADD COLUMN birth_date BLOB
    CONSTRAINT birth_date_is_sealed CHECK (length(birth_date) > 37);
ALTER TABLE appointments DROP COLUMN kind;
ALTER TABLE appointments ADD COLUMN kind BLOB
    CONSTRAINT kind_is_sealed CHECK (length(kind) >= 37);
ALTER TABLE appointments DROP COLUMN reason;
ALTER TABLE appointments ADD COLUMN reason BLOB
    CONSTRAINT reason_is_sealed CHECK (length(reason) >= 37);
ALTER TABLE messages DROP COLUMN text;
ALTER TABLE messages ADD COLUMN text BLOB
    CONSTRAINT message_is_sealed CHECK (length(text) > 37);
