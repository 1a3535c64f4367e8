-- To whom something was done: whose account or link it is, or whose data it is about. Lines from before this migration
-- have none, and keep their hashes: the hash is of a subject only where there is one (crates/store/src/audit_chain.rs).

ALTER TABLE audit ADD COLUMN subject TEXT;
