-- What the drill writes down inside Postgres, in the transaction of what it tells: every hold, every
-- ticket of the line, every rebuild and every sell-out, in the order in which the database let it happen, by a
-- clock that never jumps.
CREATE SCHEMA drill;

CREATE TABLE drill.trail (
    id         bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    up         double precision NOT NULL, -- seconds, by the clock that never jumps
    at         double precision NOT NULL, -- seconds, by Postgres's own clock
    kind       text             NOT NULL, -- hold, credit, join, epoch, or sold-out
    row_id     uuid             NOT NULL, -- of the hold, the ticket, or the sale
    unit_no    integer,
    ticket     uuid,
    state      text             NOT NULL, -- for an epoch, its number; for a sell-out, the last one it is final for
    expires_at double precision           -- with every outage that was credited by then
);

-- The machine's uptime where there is one; Postgres's clock jumps only there.
CREATE FUNCTION drill.uptime() RETURNS double precision LANGUAGE plpgsql AS $$
BEGIN
    RETURN split_part(pg_read_file('/proc/uptime'), ' ', 1)::double precision;
EXCEPTION WHEN undefined_file THEN
    RETURN extract(epoch FROM clock_timestamp());
END $$;

CREATE FUNCTION drill.note_holds() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    up double precision := drill.uptime();
    at double precision := extract(epoch FROM clock_timestamp());
BEGIN
    INSERT INTO drill.trail (up, at, kind, row_id, unit_no, ticket, state, expires_at)
    SELECT up, at, 'hold', id, unit_no, ticket, state, extract(epoch FROM CASE
        WHEN state = 'active' THEN later(coalesce(due_at, expires_at), outages_us()) ELSE expires_at END)
    FROM new_rows;
    RETURN NULL;
END $$;
CREATE TRIGGER drill_holds_made AFTER INSERT ON holds
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION drill.note_holds();
CREATE TRIGGER drill_holds_changed AFTER UPDATE ON holds
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION drill.note_holds();

-- An outage is credited to every open hold by changing one row, which is none of a hold.
CREATE FUNCTION drill.note_credit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    up double precision := drill.uptime();
    at double precision := extract(epoch FROM clock_timestamp());
BEGIN
    INSERT INTO drill.trail (up, at, kind, row_id, unit_no, ticket, state, expires_at)
    SELECT up, at, 'credit', id, unit_no, ticket, state,
           extract(epoch FROM later(coalesce(due_at, expires_at), NEW.outages_us))
    FROM holds WHERE state = 'active';
    RETURN NULL;
END $$;
CREATE TRIGGER drill_outage_credited AFTER UPDATE OF outages_us ON sweeper_heartbeat
    FOR EACH ROW WHEN (NEW.outages_us <> OLD.outages_us) EXECUTE FUNCTION drill.note_credit();

CREATE FUNCTION drill.note_joins() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    up double precision := drill.uptime();
    at double precision := extract(epoch FROM clock_timestamp());
BEGIN
    INSERT INTO drill.trail (up, at, kind, row_id, ticket, state)
    SELECT up, at, 'join', ticket, ticket, state FROM new_rows;
    RETURN NULL;
END $$;
CREATE TRIGGER drill_joins_made AFTER INSERT ON joins
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION drill.note_joins();
CREATE TRIGGER drill_joins_changed AFTER UPDATE ON joins
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION drill.note_joins();

CREATE FUNCTION drill.note_epoch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO drill.trail (up, at, kind, row_id, state)
    VALUES (drill.uptime(), extract(epoch FROM clock_timestamp()), 'epoch', NEW.id, NEW.epoch::text);
    RETURN NULL;
END $$;
CREATE TRIGGER drill_epoch_raised AFTER UPDATE OF epoch ON sales
    FOR EACH ROW WHEN (NEW.epoch > OLD.epoch) EXECUTE FUNCTION drill.note_epoch();

CREATE FUNCTION drill.note_sold_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO drill.trail (up, at, kind, row_id, state)
    VALUES (drill.uptime(), extract(epoch FROM clock_timestamp()), 'sold-out', NEW.id, NEW.sold_out_seq::text);
    RETURN NULL;
END $$;
CREATE TRIGGER drill_sold_out AFTER UPDATE OF sold_out_seq ON sales
    FOR EACH ROW WHEN (NEW.sold_out_seq > coalesce(OLD.sold_out_seq, 0)) EXECUTE FUNCTION drill.note_sold_out();
