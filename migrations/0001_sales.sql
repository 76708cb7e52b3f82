-- One row per flash sale. `stock` is the number of seeded units; they are numbered 1..stock, so a
-- million units need no rows of their own. `epoch` rises when Redis is rebuilt and fences everything
-- that still runs on the older copy.
CREATE TABLE sales (
    id                      uuid        PRIMARY KEY,
    slug                    text        NOT NULL,
    name                    text        NOT NULL,
    state                   text        NOT NULL DEFAULT 'scheduled',
    stock                   integer     NOT NULL DEFAULT 0,
    epoch                   integer     NOT NULL DEFAULT 0,
    -- The last epoch that Redis may have served. A rebuild that failed before is tried again under the
    -- same epoch, so that a Redis without memory cannot use them all up.
    served_epoch            integer     NOT NULL DEFAULT 0,
    starts_at               timestamptz,
    ends_at                 timestamptz,
    batch_size              integer     NOT NULL,
    admit_interval_ms       integer     NOT NULL,
    max_in_checkout         integer,
    checkout_window_seconds integer     NOT NULL,
    expiry_grace_seconds    integer     NOT NULL,
    checkout                text        NOT NULL,
    checkout_url            text,
    hide_stock              boolean     NOT NULL,
    max_waiting             integer     NOT NULL,
    notice                  text,
    -- Set when every unit is sold, cleared when units are added. Tickets up to `sold_out_seq` were
    -- told so, and that is final for them.
    sold_out_at             timestamptz,
    sold_out_seq            bigint,
    -- Why ropeline stopped the sale by itself; null while all is well.
    fault                   text,
    created_at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    opened_at               timestamptz,
    closed_at               timestamptz,

    CONSTRAINT sales_slug_unique         UNIQUE (slug),
    CONSTRAINT sales_slug_form           CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT sales_name_length         CHECK (char_length(name) BETWEEN 1 AND 200),
    CONSTRAINT sales_state_known         CHECK (state IN ('scheduled', 'open', 'paused', 'closed')),
    CONSTRAINT sales_stock_range         CHECK (stock BETWEEN 0 AND 10000000),
    -- 13 bits: a sequence number is epoch * 2^40 + counter and must stay exact as a double.
    CONSTRAINT sales_epoch_range         CHECK (epoch BETWEEN 0 AND 8191),
    CONSTRAINT sales_served_epoch_range  CHECK (served_epoch BETWEEN 0 AND epoch),
    CONSTRAINT sales_ends_after_start    CHECK (ends_at IS NULL OR starts_at IS NULL OR ends_at > starts_at),
    CONSTRAINT sales_batch_size_range    CHECK (batch_size BETWEEN 1 AND 100),
    CONSTRAINT sales_interval_range      CHECK (admit_interval_ms BETWEEN 10 AND 60000),
    CONSTRAINT sales_in_checkout_range   CHECK (max_in_checkout BETWEEN 1 AND 10000000),
    CONSTRAINT sales_window_range        CHECK (checkout_window_seconds BETWEEN 1 AND 86400),
    CONSTRAINT sales_grace_range         CHECK (expiry_grace_seconds BETWEEN 0 AND 60),
    CONSTRAINT sales_checkout_known      CHECK (checkout IN ('shop', 'builtin')),
    CONSTRAINT sales_max_waiting_range   CHECK (max_waiting BETWEEN 1 AND 10000000),
    CONSTRAINT sales_notice_length       CHECK (char_length(notice) BETWEEN 1 AND 500),
    CONSTRAINT sales_sold_out_has_seq    CHECK (sold_out_at IS NULL OR sold_out_seq IS NOT NULL),
    CONSTRAINT sales_closed_iff_state    CHECK ((closed_at IS NOT NULL) = (state = 'closed'))
);

-- Units are numbered 1..stock, so a stock that fell would strand holds and orders.
CREATE FUNCTION sales_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.stock < OLD.stock THEN
        RAISE EXCEPTION 'the stock of a sale only rises; withdraw units instead'
            USING CONSTRAINT = 'sales_stock_rises', ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sales_guard BEFORE UPDATE OF stock ON sales
    FOR EACH ROW EXECUTE FUNCTION sales_guard();

-- Units an operator took out of the sale again. They count in `stock` and are never held.
CREATE TABLE withdrawn_units (
    sale_id      uuid        NOT NULL REFERENCES sales,
    unit_no      integer     NOT NULL,
    withdrawn_at timestamptz NOT NULL DEFAULT clock_timestamp(),

    PRIMARY KEY (sale_id, unit_no)
);
