-- What the console shows besides the sales themselves: how each sale went, and which gateways live.

-- One row for each sale and slot of five seconds in which something changed, by whichever gateway was first.
CREATE TABLE sale_history (
    sale_id   uuid    NOT NULL REFERENCES sales,
    -- Unix time in slots.
    slot      bigint  NOT NULL,
    waiting   bigint  NOT NULL,
    available bigint  NOT NULL,
    held      bigint  NOT NULL,
    sold      bigint  NOT NULL,
    joined    bigint  NOT NULL,
    admitted  bigint  NOT NULL,

    PRIMARY KEY (sale_id, slot)
);

-- Each running gateway's sign of life. One that stops by itself takes its row with it.
CREATE TABLE gateways (
    id                    uuid             PRIMARY KEY,
    name                  text             NOT NULL,
    version               text             NOT NULL,
    started_at            timestamptz      NOT NULL DEFAULT clock_timestamp(),
    seen_at               timestamptz      NOT NULL DEFAULT clock_timestamp(),
    sockets               bigint           NOT NULL,
    admissions_per_second double precision NOT NULL,
    -- The stores that do not answer it.
    missing               text[]           NOT NULL
);
