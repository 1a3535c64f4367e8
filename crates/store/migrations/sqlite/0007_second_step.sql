-- A second step of signing in: the secret of a one-time password (RFC 6238), sealed with the program's key, and the last
-- time step whose password was used, so that none is used twice.
ALTER TABLE users ADD COLUMN totp_secret BLOB
    CONSTRAINT totp_secret_is_sealed CHECK (length(totp_secret) BETWEEN 44 AND 100);
ALTER TABLE users ADD COLUMN totp_step INTEGER;
