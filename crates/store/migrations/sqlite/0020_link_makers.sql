-- Who made a link, for the link, for the session that began with it, and for each audit line of that session. Links from the
-- command line, other sessions, and rows from before this migration have none; old audit lines keep their hashes
-- (crates/store/src/audit_chain.rs).

ALTER TABLE invites ADD COLUMN made_by TEXT REFERENCES users (id);
ALTER TABLE sessions ADD COLUMN link_made_by TEXT REFERENCES users (id);
ALTER TABLE audit ADD COLUMN link_made_by TEXT;
