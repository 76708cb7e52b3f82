-- Who may steer sales: people with a password, programs with a key, and browsers that are logged in.
-- No secret is kept: a password as argon2id, a key and a session as the SHA-256 of 256 random bits.
CREATE TABLE operators (
    id            uuid        PRIMARY KEY,
    name          text        NOT NULL,
    role          text        NOT NULL,
    password_hash text        NOT NULL,
    created_by    text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_login_at timestamptz,

    CONSTRAINT operators_name_length CHECK (char_length(name) BETWEEN 1 AND 64),
    CONSTRAINT operators_role_known  CHECK (role IN ('viewer', 'operator', 'owner'))
);
-- Two names that differ in case alone would be taken for one person in the audit.
CREATE UNIQUE INDEX operators_name_unique ON operators (lower(name));

-- A revoked key stays, for the audit names it.
CREATE TABLE api_keys (
    id           uuid        PRIMARY KEY,
    name         text        NOT NULL,
    role         text        NOT NULL,
    digest       bytea       NOT NULL,
    -- The first characters, so that a key that was found somewhere is known again.
    hint         text        NOT NULL,
    created_by   text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,

    CONSTRAINT api_keys_digest_unique UNIQUE (digest),
    CONSTRAINT api_keys_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT api_keys_name_length   CHECK (char_length(name) BETWEEN 1 AND 64),
    CONSTRAINT api_keys_role_known    CHECK (role IN ('checkout', 'viewer', 'operator', 'owner'))
);
CREATE UNIQUE INDEX api_keys_name_unique ON api_keys (lower(name)) WHERE revoked_at IS NULL;

-- A browser that is logged in: as an operator, or with ROPELINE_ADMIN_KEY, of which it keeps a mark so
-- that another key ends it.
CREATE TABLE sessions (
    digest       bytea       PRIMARY KEY,
    id           uuid        NOT NULL,
    operator_id  uuid        REFERENCES operators ON DELETE CASCADE,
    admin_mark   text,
    agent        text        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at   timestamptz NOT NULL,

    CONSTRAINT sessions_id_unique     UNIQUE (id),
    CONSTRAINT sessions_digest_length CHECK (octet_length(digest) = 32),
    CONSTRAINT sessions_of_one        CHECK ((operator_id IS NULL) <> (admin_mark IS NULL))
);
CREATE INDEX sessions_operator ON sessions (operator_id);

-- Who changed which account or key, in the transaction of the change. `audit` has what was done to sales.
CREATE TABLE account_audit (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    detail  jsonb       NOT NULL DEFAULT '{}'
);
