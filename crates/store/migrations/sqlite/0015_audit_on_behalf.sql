-- With which of its keys a program did something, and on whose behalf it said that it did. Other lines, and those from before
-- this migration, have neither, and keep their hashes (crates/store/src/audit_chain.rs).

ALTER TABLE audit ADD COLUMN client TEXT;
ALTER TABLE audit ADD COLUMN on_behalf_of TEXT;
