-- What a restarted program needs so that a visit goes on as it was: until when an absent patient is
-- called, who declined, who agreed to the clinic's terms, which commands were done, what was written.
-- Roles beside patient and provider, and the end by a closed door, are new words in existing CHECKs,
-- so both tables are made again; the one that refers to the other goes first and comes back last.

CREATE TABLE participants_before AS SELECT * FROM participants;
DROP TABLE participants;

CREATE TABLE visits_now (
    -- The order in which visits began: the latest of an appointment has the highest.
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE
        CONSTRAINT visit_id_has_36_characters CHECK (length(id) = 36),
    appointment_id TEXT NOT NULL REFERENCES appointments (id),
    phase TEXT NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    end_reason TEXT
        CONSTRAINT end_reason_is_known CHECK (end_reason IN ('ended', 'missed', 'abandoned', 'closed')),
    connected_at INTEGER,
    ring_until INTEGER,
    CONSTRAINT visit_phase_has_its_moments CHECK (
        CASE phase
            WHEN 'planned' THEN started_at IS NULL AND ended_at IS NULL AND end_reason IS NULL
            WHEN 'started' THEN started_at IS NOT NULL AND ended_at IS NULL AND end_reason IS NULL
            WHEN 'ended' THEN ended_at IS NOT NULL AND end_reason IS NOT NULL
            ELSE 0
        END
    )
) STRICT;

INSERT INTO visits_now (sequence, id, appointment_id, phase, started_at, ended_at, end_reason, connected_at)
    SELECT sequence, id, appointment_id, phase, started_at, ended_at, end_reason, connected_at FROM visits;
DROP TABLE visits;
ALTER TABLE visits_now RENAME TO visits;

CREATE INDEX visits_of_appointment ON visits (appointment_id, sequence);
-- An appointment has at most one visit that has not ended.
CREATE UNIQUE INDEX open_visit_of_appointment ON visits (appointment_id) WHERE ended_at IS NULL;
-- What a restarted program continues.
CREATE INDEX started_visits ON visits (sequence) WHERE phase = 'started';

CREATE TABLE participants (
    visit_id TEXT NOT NULL REFERENCES visits (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL
        CONSTRAINT role_is_known CHECK (role IN ('patient', 'provider', 'guest', 'interpreter', 'observer')),
    entered_at INTEGER,
    left_at INTEGER,
    declined_at INTEGER,
    microphone INTEGER NOT NULL
        CONSTRAINT microphone_is_a_flag CHECK (microphone IN (0, 1)),
    camera INTEGER NOT NULL
        CONSTRAINT camera_is_a_flag CHECK (camera IN (0, 1)),
    consent_at INTEGER,
    -- The pages' names for the last commands, oldest first, with a space between two.
    commands TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (visit_id, user_id)
) STRICT, WITHOUT ROWID;

INSERT INTO participants (visit_id, user_id, role, entered_at, left_at, microphone, camera)
    SELECT visit_id, user_id, role, entered_at, left_at, microphone, camera FROM participants_before;
DROP TABLE participants_before;

-- What people wrote to each other.
CREATE TABLE messages (
    visit_id TEXT NOT NULL REFERENCES visits (id),
    number INTEGER NOT NULL
        CONSTRAINT message_number_is_positive CHECK (number > 0),
    user_id TEXT NOT NULL REFERENCES users (id),
    at INTEGER NOT NULL,
    text TEXT NOT NULL
        CONSTRAINT message_has_1_to_2000_characters CHECK (length(text) BETWEEN 1 AND 2000),
    PRIMARY KEY (visit_id, number)
) STRICT, WITHOUT ROWID;
