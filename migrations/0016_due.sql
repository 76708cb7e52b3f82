-- An outage is credited to every open hold by changing one row: the clock by which holds run out stands still during
-- an outage. `due_at` is a hold's end by that clock; the real end is `due_at` and all outages so far.
SET LOCAL statement_timeout = '30min';

ALTER TABLE sweeper_heartbeat
    -- The length of all outages so far, in microseconds.
    ADD COLUMN outages_us bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT sweeper_heartbeat_outages CHECK (outages_us >= 0);

-- Null for holds of the version before. No outage was counted when they were made, so that `expires_at` says the same.
ALTER TABLE holds ADD COLUMN due_at timestamptz;

DROP INDEX holds_due;
CREATE INDEX holds_open ON holds (sale_id, (coalesce(due_at, expires_at))) WHERE state = 'active';

CREATE FUNCTION outages_us() RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT b.outages_us FROM sweeper_heartbeat b
$$;

-- Hours and not days, which the time zone of a session could make longer or shorter.
CREATE FUNCTION later(at timestamptz, us bigint) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT at + make_interval(secs => us::double precision / 1000000)
$$;

-- When a hold runs out or ran out, grace aside. An outage that still goes on counts: no sweep for more than five seconds,
-- as ledger/sweep.rs has it. The next sweep adds it to `outages_us`.
CREATE FUNCTION hold_end(state text, admitted_at timestamptz, expires_at timestamptz, due_at timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN state = 'active' THEN (
        SELECT later(coalesce(due_at, expires_at), b.outages_us
            + CASE WHEN statement_timestamp() > b.beat_at + interval '5 seconds'
                   THEN greatest((extract(epoch FROM statement_timestamp() - greatest(b.beat_at, admitted_at))
                                  * 1000000)::bigint, 0)
                   ELSE 0 END)
        FROM sweeper_heartbeat b)
    ELSE expires_at END
$$;

-- An ended hold keeps the time at which it would have run out, so that later outages do not move it. A changed
-- `expires_at` of an open hold moves its end as much; the version before credits outages so.
CREATE FUNCTION holds_keep_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.due_at IS NULL THEN
            NEW.due_at := later(NEW.expires_at, -outages_us());
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> 'active' THEN
        RETURN NEW;
    END IF;
    IF NEW.expires_at <> OLD.expires_at AND NEW.due_at IS NOT DISTINCT FROM OLD.due_at THEN
        NEW.due_at := later(OLD.due_at,
                            (extract(epoch FROM NEW.expires_at - OLD.expires_at) * 1000000)::bigint);
    END IF;
    IF NEW.state <> 'active' THEN
        NEW.expires_at := hold_end('active', NEW.admitted_at, NEW.expires_at, NEW.due_at);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER holds_keep_due BEFORE INSERT OR UPDATE ON holds
    FOR EACH ROW EXECUTE FUNCTION holds_keep_due();

-- Sales with open holds, by one look into the index for each.
CREATE FUNCTION sales_with_holds() RETURNS SETOF uuid LANGUAGE sql STABLE AS $$
    WITH RECURSIVE open AS (
        (SELECT h.sale_id FROM holds h WHERE h.state = 'active' ORDER BY h.sale_id LIMIT 1)
        UNION ALL
        SELECT (SELECT h.sale_id FROM holds h WHERE h.state = 'active' AND h.sale_id > open.sale_id
                ORDER BY h.sale_id LIMIT 1)
        FROM open WHERE open.sale_id IS NOT NULL
    )
    SELECT sale_id FROM open WHERE sale_id IS NOT NULL
$$;
