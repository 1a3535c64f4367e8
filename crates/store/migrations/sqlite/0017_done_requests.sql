-- Requests that were done, so that the same one coming again (a second click, a lost answer) is not done again. They are
-- forgotten after a day.
CREATE TABLE done_requests (
    key BLOB NOT NULL PRIMARY KEY
        CONSTRAINT done_request_key_has_32_bytes CHECK (length(key) = 32),
    request BLOB NOT NULL
        CONSTRAINT done_request_has_32_bytes CHECK (length(request) = 32),
    -- The id of what was made.
    made TEXT NOT NULL
        CONSTRAINT done_request_made_has_36_characters CHECK (length(made) = 36),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX done_requests_by_time ON done_requests (at);
