-- What all gateways on this database must agree on.
CREATE TABLE deployment (
    only_row     boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- What only the gateways' secret makes; null until the first of them has started.
    secret_print bytea,
    -- Which Postgres this is, as its system identifier and timeline: both are others after a restore.
    history      text
);
INSERT INTO deployment DEFAULT VALUES;
