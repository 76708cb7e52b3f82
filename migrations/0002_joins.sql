-- The journal of the line: one row per ticket, written before its join is answered. Redis can be
-- rebuilt from it. `state` is the arbiter of a ticket's fate: admission and leaving both update it,
-- so exactly one of them wins.
CREATE TABLE joins (
    sale_id   uuid        NOT NULL REFERENCES sales,
    ticket    uuid        NOT NULL,
    seq       bigint      NOT NULL,
    state     text        NOT NULL DEFAULT 'waiting',
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at  timestamptz,

    PRIMARY KEY (sale_id, ticket),
    -- A violation proves that Redis handed out a number twice: it lost data.
    CONSTRAINT joins_seq_unique      UNIQUE (sale_id, seq),
    CONSTRAINT joins_state_known     CHECK (state IN ('waiting', 'admitted', 'left', 'removed')),
    CONSTRAINT joins_ended_iff_final CHECK ((ended_at IS NOT NULL) = (state <> 'waiting')),
    CONSTRAINT joins_seq_positive    CHECK (seq > 0)
);

-- What a rebuild reads, in the order in which it loads it.
CREATE INDEX joins_waiting ON joins (sale_id, seq) WHERE state = 'waiting';
