-- Who carries an appointment's calls, and what a backend's own service reported about them.

ALTER TABLE appointments ADD COLUMN call_backend TEXT NOT NULL DEFAULT 'embedded'
    CONSTRAINT call_backend_is_known CHECK (call_backend IN ('embedded', 'cometchat'));

-- Reports may come more than once, and without saying which appointment they are about: an earlier one
-- of the same call did.
CREATE TABLE backend_reports (
    -- What makes two reports the same.
    key BLOB NOT NULL PRIMARY KEY
        CONSTRAINT backend_report_key_has_32_bytes CHECK (length(key) = 32),
    at INTEGER NOT NULL,
    event TEXT NOT NULL
        CONSTRAINT backend_event_is_a_code CHECK (length(event) BETWEEN 1 AND 64),
    -- The service's own name for the call.
    call_session TEXT
        CONSTRAINT call_session_has_1_to_200_characters CHECK (length(call_session) BETWEEN 1 AND 200),
    appointment_id TEXT REFERENCES appointments (id),
    visit_id TEXT REFERENCES visits (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX backend_reports_of_call ON backend_reports (call_session) WHERE call_session IS NOT NULL;
