-- Mails that are to be sent: to whom and what about, never the text. A link in a mail is made when it is sent, so no secret waits
-- here. A row without a user is of an address that nobody has, so that asking takes as long for it.
CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT REFERENCES users (id),
    kind TEXT NOT NULL
        CONSTRAINT mail_kind_has_1_to_64_characters CHECK (length(kind) BETWEEN 1 AND 64),
    created_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX mails_by_time ON mails (due_at);
CREATE INDEX mails_of_user ON mails (user_id);
