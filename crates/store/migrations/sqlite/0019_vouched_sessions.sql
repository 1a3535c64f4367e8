-- Which program vouched for the person, for a session that began with a join token: the session ends when the program is
-- trusted no more.
ALTER TABLE sessions ADD COLUMN vouched_by TEXT REFERENCES users (id);
CREATE INDEX sessions_by_voucher ON sessions (vouched_by) WHERE vouched_by IS NOT NULL;

-- Whether a program may sign join tokens for providers. Their seat conducts the visit, and where two-factor authentication
-- is required a join token would go around it.
ALTER TABLE issuers ADD COLUMN vouches_for_providers INTEGER NOT NULL DEFAULT 0
    CONSTRAINT vouches_for_providers_is_a_flag CHECK (vouches_for_providers IN (0, 1));
