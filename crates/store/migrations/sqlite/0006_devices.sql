-- The browser and system that a session began in, as far as they said so: for the person to recognise.
ALTER TABLE sessions ADD COLUMN device TEXT
    CONSTRAINT device_has_1_to_60_characters CHECK (length(device) BETWEEN 1 AND 60);
