-- A confirmed hold: the purchase. Written in the statement that flips the hold.
CREATE TABLE orders (
    hold_id           uuid        PRIMARY KEY REFERENCES holds,
    id                uuid        NOT NULL,
    sale_id           uuid        NOT NULL REFERENCES sales,
    unit_no           integer     NOT NULL,
    ticket            uuid        NOT NULL,
    payment_reference text,
    confirmed_at      timestamptz NOT NULL,

    CONSTRAINT orders_id_unique        UNIQUE (id),
    CONSTRAINT orders_unit_sold_once   UNIQUE (sale_id, unit_no),
    CONSTRAINT orders_reference_length CHECK (char_length(payment_reference) BETWEEN 1 AND 200)
);
CREATE INDEX orders_newest ON orders (sale_id, confirmed_at DESC, id DESC);

-- An order stays as it was written.
CREATE FUNCTION orders_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an order is never changed' USING CONSTRAINT = 'orders_kept', ERRCODE = '23514';
END $$;
CREATE TRIGGER orders_guard BEFORE UPDATE OR DELETE ON orders
    FOR EACH ROW EXECUTE FUNCTION orders_guard();

CREATE TRIGGER orders_not_truncated BEFORE TRUNCATE ON orders
    FOR EACH STATEMENT EXECUTE FUNCTION orders_guard();

-- What other systems are to be told, in the transaction of the thing itself.
CREATE TABLE outbox (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sale_id    uuid        NOT NULL REFERENCES sales,
    topic      text        NOT NULL,
    payload    jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Who changed what, in the transaction of the change.
CREATE TABLE audit (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sale_id uuid        NOT NULL REFERENCES sales,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text        NOT NULL,
    action  text        NOT NULL,
    detail  jsonb       NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_newest ON audit (sale_id, id DESC);

-- The answer given under an idempotency key, written in the transaction of what it answers.
CREATE TABLE idempotency_keys (
    caller      text        NOT NULL,
    route       text        NOT NULL,
    key         text        NOT NULL,
    fingerprint bytea       NOT NULL,
    status      smallint    NOT NULL,
    body        jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),

    PRIMARY KEY (caller, route, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- When the sweeper last ran. A gap means that nobody could confirm, and is credited to every hold.
CREATE TABLE sweeper_heartbeat (
    only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    beat_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO sweeper_heartbeat DEFAULT VALUES;
