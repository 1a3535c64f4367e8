-- A link with which somebody sets a new password. One a person: a newer one takes the older one's place.
CREATE TABLE password_resets (
    token_hash BLOB NOT NULL PRIMARY KEY
        CONSTRAINT reset_hash_has_32_bytes CHECK (length(token_hash) = 32),
    user_id TEXT NOT NULL UNIQUE REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who somebody is at an OpenID provider. One a person and provider.
CREATE TABLE provider_links (
    issuer TEXT NOT NULL
        CONSTRAINT issuer_has_1_to_500_characters CHECK (length(issuer) BETWEEN 1 AND 500),
    -- The provider's own name for the person: opaque, at most 255 ASCII characters (OpenID Connect Core, section 2).
    subject TEXT NOT NULL
        CONSTRAINT subject_has_1_to_255_characters CHECK (length(subject) BETWEEN 1 AND 255),
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject),
    UNIQUE (user_id, issuer)
) STRICT, WITHOUT ROWID;

-- Keys that people's devices hold for them (WebAuthn). Here is the public half.
CREATE TABLE passkeys (
    credential_id BLOB NOT NULL PRIMARY KEY
        CONSTRAINT credential_id_has_16_to_1023_bytes CHECK (length(credential_id) BETWEEN 16 AND 1023),
    user_id TEXT NOT NULL REFERENCES users (id),
    name TEXT NOT NULL
        CONSTRAINT passkey_name_has_1_to_60_characters CHECK (length(name) BETWEEN 1 AND 60),
    -- Public key, counter, backup state, as the program writes them (JSON).
    credential TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX passkeys_of_user ON passkeys (user_id);
