-- Whose right may have gone, by the epoch that it came with: the open pages of that person prove themselves again then,
-- and nobody else's.
CREATE TABLE right_changes (
    epoch INTEGER NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL REFERENCES users (id)
) STRICT;

-- Whoever has not heard of so many takes it that they concern everybody.
CREATE TRIGGER old_right_changes_are_forgotten AFTER INSERT ON right_changes
BEGIN
    DELETE FROM right_changes WHERE epoch <= NEW.epoch - 10000;
END;

DROP TRIGGER a_shut_out_user_changes_rights;
CREATE TRIGGER a_shut_out_user_changes_rights AFTER UPDATE OF disabled_at ON users
BEGIN
    UPDATE rights SET epoch = epoch + 1;
    INSERT INTO right_changes (epoch, user_id) SELECT epoch, NEW.id FROM rights;
END;

DROP TRIGGER an_ended_session_changes_rights;
CREATE TRIGGER an_ended_session_changes_rights AFTER DELETE ON sessions
BEGIN
    UPDATE rights SET epoch = epoch + 1;
    INSERT INTO right_changes (epoch, user_id) SELECT epoch, OLD.user_id FROM rights;
END;

DROP TRIGGER another_clinic_role_changes_rights;
CREATE TRIGGER another_clinic_role_changes_rights AFTER UPDATE OF clinic_role ON users
BEGIN
    UPDATE rights SET epoch = epoch + 1;
    INSERT INTO right_changes (epoch, user_id) SELECT epoch, NEW.id FROM rights;
END;

DROP TRIGGER a_removed_companion_changes_rights;
CREATE TRIGGER a_removed_companion_changes_rights AFTER DELETE ON companions
BEGIN
    UPDATE rights SET epoch = epoch + 1;
    INSERT INTO right_changes (epoch, user_id) SELECT epoch, OLD.user_id FROM rights;
END;
