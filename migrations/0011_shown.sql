-- What was told to a few places of each line, every ten seconds: held against what became of them, it says
-- how good the waits and chances were. One row for each moment and place, by whichever gateway was first.
CREATE TABLE shown (
    sale_id    uuid        NOT NULL REFERENCES sales,
    -- Unix time in tens of seconds.
    slot       bigint      NOT NULL,
    -- The front, the middle, the back, and anywhere between.
    place      smallint    NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    seq        bigint      NOT NULL,
    position   bigint      NOT NULL,
    eta_low    bigint,
    eta_high   bigint,
    chance     double precision,

    PRIMARY KEY (sale_id, slot, place),
    CONSTRAINT shown_place_known  CHECK (place BETWEEN 0 AND 3),
    CONSTRAINT shown_range_whole  CHECK ((eta_low IS NULL) = (eta_high IS NULL)),
    CONSTRAINT shown_chance_range CHECK (chance BETWEEN 0 AND 1)
);
