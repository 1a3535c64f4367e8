-- Every line of the audit log has the hash of itself and of all before it (crates/store/src/audit_chain.rs).
-- Lines from before this migration have none: the first line after them covers them.

ALTER TABLE audit ADD COLUMN hash BLOB
    CONSTRAINT audit_hash_has_32_bytes CHECK (length(hash) = 32);
