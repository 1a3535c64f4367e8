-- A visit that ended because its appointment was cancelled: the door closed for that reason.
ALTER TABLE visits ADD COLUMN is_cancelled INTEGER NOT NULL DEFAULT 0
    CONSTRAINT is_cancelled_is_a_flag CHECK (is_cancelled IN (0, 1));

-- The open pages of everyone who was to come hear of it, whichever program cancelled it.
CREATE TRIGGER a_cancelled_appointment_changes_rights AFTER UPDATE OF status ON appointments
WHEN NEW.status = 'cancelled' AND OLD.status <> 'cancelled'
BEGIN
    INSERT INTO right_changes (epoch, user_id)
        SELECT r.epoch + row_number() OVER (ORDER BY p.user_id), p.user_id
        FROM rights r, (SELECT NEW.patient_id AS user_id UNION SELECT NEW.provider_id
                        UNION SELECT c.user_id FROM companions c WHERE c.appointment_id = NEW.id) p;
    UPDATE rights SET epoch = (SELECT max(epoch) FROM right_changes);
END;
