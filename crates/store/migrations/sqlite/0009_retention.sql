-- Under legal hold since then: nothing of it is removed, however old it is.
ALTER TABLE appointments ADD COLUMN held_at INTEGER;
-- Since then what people wrote about it, and in it, is gone.
ALTER TABLE appointments ADD COLUMN forgotten_at INTEGER;
