-- Goes up whenever somebody's right may have gone, whoever took it: open pages prove themselves again then.
CREATE TABLE rights (
    row INTEGER NOT NULL PRIMARY KEY
        CONSTRAINT rights_are_one_row CHECK (row = 1),
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO rights (row, epoch) VALUES (1, 0);

CREATE TRIGGER a_shut_out_user_changes_rights AFTER UPDATE OF disabled_at ON users
BEGIN
    UPDATE rights SET epoch = epoch + 1;
END;

CREATE TRIGGER an_ended_session_changes_rights AFTER DELETE ON sessions
BEGIN
    UPDATE rights SET epoch = epoch + 1;
END;
