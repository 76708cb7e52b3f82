-- Counters of each sale. Triggers keep them in the transaction of the rows that they count, so that a gateway reads
-- a sale's state without reading its history.
--
-- A migration may take longer than a statement of a gateway: the first count reads every row once.
SET LOCAL statement_timeout = '30min';

-- A sale has as many rows here as transactions changed it at the same time; the counts are the sums. A transaction
-- adds to a row that no other transaction has locked and makes one where there is none. It never waits for a
-- counter, so counters cause no deadlock and add no hot row. A page has room for new versions of its rows: an update
-- changes no index and vacuums its own page.
CREATE TABLE sale_counts (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sale_id     uuid   NOT NULL REFERENCES sales ON DELETE CASCADE,
    -- Tickets in the journal; by state. `waiting` leaves out tickets that were told that all is sold.
    joined      bigint NOT NULL DEFAULT 0,
    waiting     bigint NOT NULL DEFAULT 0,
    admitted    bigint NOT NULL DEFAULT 0,
    gone        bigint NOT NULL DEFAULT 0,
    -- Holds by state: active, confirmed, and released or expired.
    held        bigint NOT NULL DEFAULT 0,
    sold        bigint NOT NULL DEFAULT 0,
    returned    bigint NOT NULL DEFAULT 0,
    -- How long those that ended lasted, in milliseconds.
    sold_ms     bigint NOT NULL DEFAULT 0,
    returned_ms bigint NOT NULL DEFAULT 0,
    orders      bigint NOT NULL DEFAULT 0,
    withdrawn   bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 20);
CREATE INDEX sale_counts_of ON sale_counts (sale_id, id);

-- Adds to a sale's counters.
CREATE FUNCTION add_counts(
    sale uuid, joined bigint = 0, waiting bigint = 0, admitted bigint = 0, gone bigint = 0, held bigint = 0,
    sold bigint = 0, returned bigint = 0, sold_ms bigint = 0, returned_ms bigint = 0, orders bigint = 0,
    withdrawn bigint = 0
) RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    UPDATE sale_counts c
    SET joined = c.joined + add_counts.joined, waiting = c.waiting + add_counts.waiting,
        admitted = c.admitted + add_counts.admitted, gone = c.gone + add_counts.gone,
        held = c.held + add_counts.held, sold = c.sold + add_counts.sold,
        returned = c.returned + add_counts.returned, sold_ms = c.sold_ms + add_counts.sold_ms,
        returned_ms = c.returned_ms + add_counts.returned_ms, orders = c.orders + add_counts.orders,
        withdrawn = c.withdrawn + add_counts.withdrawn
    WHERE c.id = (SELECT s.id FROM sale_counts s WHERE s.sale_id = add_counts.sale
                  ORDER BY s.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED);
    IF NOT FOUND THEN
        INSERT INTO sale_counts (sale_id, joined, waiting, admitted, gone, held, sold, returned, sold_ms,
                                 returned_ms, orders, withdrawn)
        VALUES (add_counts.sale, add_counts.joined, add_counts.waiting, add_counts.admitted, add_counts.gone,
                add_counts.held, add_counts.sold, add_counts.returned, add_counts.sold_ms,
                add_counts.returned_ms, add_counts.orders, add_counts.withdrawn);
    END IF;
END $$;

-- A sale's counters, in one row.
CREATE FUNCTION sale_totals(sale uuid) RETURNS TABLE (
    joined bigint, waiting bigint, admitted bigint, gone bigint, held bigint, sold bigint, returned bigint,
    sold_ms bigint, returned_ms bigint, orders bigint, withdrawn bigint
) LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(c.joined), 0)::bigint, coalesce(sum(c.waiting), 0)::bigint,
           coalesce(sum(c.admitted), 0)::bigint, coalesce(sum(c.gone), 0)::bigint,
           coalesce(sum(c.held), 0)::bigint, coalesce(sum(c.sold), 0)::bigint,
           coalesce(sum(c.returned), 0)::bigint, coalesce(sum(c.sold_ms), 0)::bigint,
           coalesce(sum(c.returned_ms), 0)::bigint, coalesce(sum(c.orders), 0)::bigint,
           coalesce(sum(c.withdrawn), 0)::bigint
    FROM sale_counts c WHERE c.sale_id = sale
$$;

-- How long an ended hold lasted, in milliseconds.
CREATE FUNCTION hold_ms(admitted_at timestamptz, ended_at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT floor(extract(epoch FROM ended_at - admitted_at) * 1000)::bigint
$$;

-- The same counts, from the rows: what the counters must say. Reads the sale's whole history.
CREATE FUNCTION counted_rows(sale uuid) RETURNS TABLE (
    joined bigint, waiting bigint, admitted bigint, gone bigint, held bigint, sold bigint, returned bigint,
    sold_ms bigint, returned_ms bigint, orders bigint, withdrawn bigint
) LANGUAGE sql STABLE AS $$
    SELECT j.joined, j.waiting, j.admitted, j.gone, h.held, h.sold, h.returned, h.sold_ms, h.returned_ms,
           (SELECT count(*) FROM orders o WHERE o.sale_id = sale),
           (SELECT count(*) FROM withdrawn_units w WHERE w.sale_id = sale)
    FROM (SELECT count(*) AS joined,
                 count(*) FILTER (WHERE state = 'waiting' AND seq > coalesce(
                     (SELECT sold_out_seq FROM sales WHERE id = sale), 0)) AS waiting,
                 count(*) FILTER (WHERE state = 'admitted') AS admitted,
                 count(*) FILTER (WHERE state IN ('left', 'removed')) AS gone
          FROM joins WHERE sale_id = sale) j,
         (SELECT count(*) FILTER (WHERE state = 'active') AS held,
                 count(*) FILTER (WHERE state = 'confirmed') AS sold,
                 count(*) FILTER (WHERE state IN ('released', 'expired')) AS returned,
                 coalesce(sum(hold_ms(admitted_at, ended_at)) FILTER (WHERE state = 'confirmed'), 0)::bigint
                     AS sold_ms,
                 coalesce(sum(hold_ms(admitted_at, ended_at))
                     FILTER (WHERE state IN ('released', 'expired')), 0)::bigint AS returned_ms
          FROM holds WHERE sale_id = sale) h
$$;

-- Sets a sale's counters to what its rows say. For an operator, when a reconciliation shows that they differ.
CREATE FUNCTION recount_sale(sale uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE joins, holds, orders, withdrawn_units, sale_counts IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM sale_counts c WHERE c.sale_id = sale;
    PERFORM add_counts(sale, r.joined, r.waiting, r.admitted, r.gone, r.held, r.sold, r.returned, r.sold_ms,
                       r.returned_ms, r.orders, r.withdrawn)
    FROM counted_rows(sale) r;
END $$;

CREATE FUNCTION count_joins() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_counts(t.sale_id, joined => t.joined, waiting => t.waiting, admitted => t.admitted,
                           gone => t.joined - t.in_line - t.admitted)
        FROM (SELECT n.sale_id, count(*) AS joined,
                     count(*) FILTER (WHERE n.state = 'waiting') AS in_line,
                     count(*) FILTER (WHERE n.state = 'waiting' AND n.seq > coalesce(s.sold_out_seq, 0))
                         AS waiting,
                     count(*) FILTER (WHERE n.state = 'admitted') AS admitted
              FROM new_rows n JOIN sales s ON s.id = n.sale_id GROUP BY n.sale_id) t;
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM add_counts(t.sale_id, joined => -t.joined, waiting => -t.waiting, admitted => -t.admitted,
                           gone => -(t.joined - t.in_line - t.admitted))
        FROM (SELECT n.sale_id, count(*) AS joined,
                     count(*) FILTER (WHERE n.state = 'waiting') AS in_line,
                     count(*) FILTER (WHERE n.state = 'waiting' AND n.seq > coalesce(s.sold_out_seq, 0))
                         AS waiting,
                     count(*) FILTER (WHERE n.state = 'admitted') AS admitted
              FROM old_rows n JOIN sales s ON s.id = n.sale_id GROUP BY n.sale_id) t;
    ELSE
        PERFORM add_counts(t.sale_id, joined => t.joined, waiting => t.waiting, admitted => t.admitted,
                           gone => t.joined - t.in_line - t.admitted)
        FROM (SELECT n.sale_id, sum(n.one) AS joined,
                     coalesce(sum(n.one) FILTER (WHERE n.state = 'waiting'), 0)::bigint AS in_line,
                     coalesce(sum(n.one) FILTER (WHERE n.state = 'waiting'
                         AND n.seq > coalesce(s.sold_out_seq, 0)), 0)::bigint AS waiting,
                     coalesce(sum(n.one) FILTER (WHERE n.state = 'admitted'), 0)::bigint AS admitted
              FROM (SELECT sale_id, seq, state, 1 AS one FROM new_rows
                    UNION ALL SELECT sale_id, seq, state, -1 FROM old_rows) n
              JOIN sales s ON s.id = n.sale_id GROUP BY n.sale_id) t
        WHERE (t.joined, t.in_line, t.waiting, t.admitted) <> (0, 0, 0, 0);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER joins_counted_in AFTER INSERT ON joins
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_joins();
CREATE TRIGGER joins_counted_on AFTER UPDATE ON joins
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_joins();
CREATE TRIGGER joins_counted_out AFTER DELETE ON joins
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_joins();

-- Tickets up to `sold_out_seq` do not wait any more. The caller has excluded every other change of the line. Reads the
-- part of the line that is behind that number.
CREATE FUNCTION count_sold_out() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_counts(NEW.id, waiting =>
        (SELECT count(*) FROM joins j WHERE j.sale_id = NEW.id AND j.state = 'waiting'
            AND j.seq > coalesce(NEW.sold_out_seq, 0))
        - (SELECT t.waiting FROM sale_totals(NEW.id) t));
    RETURN NULL;
END $$;
CREATE TRIGGER sales_counted AFTER UPDATE OF sold_out_seq ON sales
    FOR EACH ROW WHEN (NEW.sold_out_seq IS DISTINCT FROM OLD.sold_out_seq) EXECUTE FUNCTION count_sold_out();

CREATE FUNCTION count_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_counts(t.sale_id, held => t.held)
        FROM (SELECT n.sale_id, count(*) AS held FROM new_rows n GROUP BY n.sale_id) t;
    ELSE
        PERFORM add_counts(t.sale_id, held => t.held, sold => t.sold, returned => t.returned,
                           sold_ms => t.sold_ms, returned_ms => t.returned_ms)
        FROM (SELECT n.sale_id,
                     coalesce(sum(n.one) FILTER (WHERE n.state = 'active'), 0)::bigint AS held,
                     coalesce(sum(n.one) FILTER (WHERE n.state = 'confirmed'), 0)::bigint AS sold,
                     coalesce(sum(n.one) FILTER (WHERE n.state IN ('released', 'expired')), 0)::bigint
                         AS returned,
                     coalesce(sum(n.one * hold_ms(n.admitted_at, n.ended_at))
                         FILTER (WHERE n.state = 'confirmed'), 0)::bigint AS sold_ms,
                     coalesce(sum(n.one * hold_ms(n.admitted_at, n.ended_at))
                         FILTER (WHERE n.state IN ('released', 'expired')), 0)::bigint AS returned_ms
              FROM (SELECT sale_id, state, admitted_at, ended_at, 1 AS one FROM new_rows
                    UNION ALL SELECT sale_id, state, admitted_at, ended_at, -1 FROM old_rows) n
              GROUP BY n.sale_id) t
        WHERE (t.held, t.sold, t.returned, t.sold_ms, t.returned_ms) <> (0, 0, 0, 0, 0);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER holds_counted_in AFTER INSERT ON holds
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_holds();
CREATE TRIGGER holds_counted_on AFTER UPDATE ON holds
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_holds();

CREATE FUNCTION count_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_counts(t.sale_id, orders => t.n)
    FROM (SELECT sale_id, count(*) AS n FROM new_rows GROUP BY sale_id) t;
    RETURN NULL;
END $$;
CREATE TRIGGER orders_counted AFTER INSERT ON orders
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_orders();

CREATE FUNCTION count_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM add_counts(t.sale_id, withdrawn => t.n)
        FROM (SELECT sale_id, count(*) AS n FROM new_rows GROUP BY sale_id) t;
    ELSE
        PERFORM add_counts(t.sale_id, withdrawn => -t.n)
        FROM (SELECT sale_id, count(*) AS n FROM old_rows GROUP BY sale_id) t;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER withdrawn_units_counted_in AFTER INSERT ON withdrawn_units
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_withdrawn();
CREATE TRIGGER withdrawn_units_counted_out AFTER DELETE ON withdrawn_units
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_withdrawn();

-- The triggers keep every other writer out until this commits, so the first count misses nothing.
SELECT add_counts(s.id, r.joined, r.waiting, r.admitted, r.gone, r.held, r.sold, r.returned, r.sold_ms,
                  r.returned_ms, r.orders, r.withdrawn)
FROM sales s, LATERAL counted_rows(s.id) r;
