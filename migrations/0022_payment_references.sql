-- Payment references besides the one that an order was confirmed with: money that may fit no order. The first
-- reference of an order is in `orders`. A row here is kept for good; only its resolution is added later.
--
-- A migration may take longer than a statement of a gateway: the index reads every order once.
SET LOCAL statement_timeout = '30min';

CREATE TABLE payment_references (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sale_id       uuid        NOT NULL REFERENCES sales,
    hold_id       uuid        NOT NULL REFERENCES holds,
    -- None where the hold was released or expired. Read from `orders`, where no row is ever changed or deleted.
    order_id      uuid,
    reference     text        NOT NULL,
    -- duplicate: another reference for an order that has one. reused: the reference of an earlier order.
    -- ended: for a hold without an order. added: the first reference of an order that was confirmed without one.
    kind          text        NOT NULL,
    -- Sent with an API key or by an operator. A text that a shopper typed proves no payment.
    by_shop       boolean     NOT NULL,
    seen_by       text        NOT NULL,
    -- Orders that had this reference before, at most 20.
    used_before   uuid[]      NOT NULL DEFAULT '{}',
    first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When a person dealt with it, who, and what was done.
    resolved_at   timestamptz,
    resolved_by   text,
    note          text,

    CONSTRAINT payment_references_once        UNIQUE (hold_id, reference),
    CONSTRAINT payment_references_length      CHECK (char_length(reference) BETWEEN 1 AND 200),
    CONSTRAINT payment_references_kind_known  CHECK (kind IN ('duplicate', 'reused', 'ended', 'added')),
    CONSTRAINT payment_references_ended_iff_no_order CHECK ((kind = 'ended') = (order_id IS NULL)),
    CONSTRAINT payment_references_reused_names_orders
        CHECK (kind <> 'reused' OR cardinality(used_before) > 0),
    CONSTRAINT payment_references_resolved_whole
        CHECK (num_nulls(resolved_at, resolved_by, note) IN (0, 3)),
    CONSTRAINT payment_references_note_length CHECK (char_length(note) BETWEEN 1 AND 500)
);
CREATE INDEX payment_references_reference ON payment_references (reference, sale_id);
CREATE INDEX payment_references_newest ON payment_references (sale_id, id DESC);
CREATE INDEX payment_references_by_time ON payment_references (sale_id, first_seen_at, id);
CREATE INDEX payment_references_open ON payment_references (sale_id, id DESC)
    WHERE resolved_at IS NULL AND kind <> 'added';
-- Ticket search and each confirm look for orders by their reference.
CREATE INDEX orders_reference ON orders (payment_reference, sale_id) WHERE payment_reference IS NOT NULL;

CREATE FUNCTION payment_references_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'a payment reference is never deleted'
            USING CONSTRAINT = 'payment_references_kept', ERRCODE = '23514';
    END IF;
    IF OLD.resolved_at IS NOT NULL
        OR (NEW.id, NEW.sale_id, NEW.hold_id, NEW.order_id, NEW.reference, NEW.kind, NEW.by_shop, NEW.seen_by,
            NEW.used_before, NEW.first_seen_at)
        IS DISTINCT FROM (OLD.id, OLD.sale_id, OLD.hold_id, OLD.order_id, OLD.reference, OLD.kind, OLD.by_shop,
            OLD.seen_by, OLD.used_before, OLD.first_seen_at) THEN
        RAISE EXCEPTION 'a payment reference is resolved once, and else never changed'
            USING CONSTRAINT = 'payment_references_fixed', ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_references_guard BEFORE UPDATE OR DELETE ON payment_references
    FOR EACH ROW EXECUTE FUNCTION payment_references_guard();
CREATE TRIGGER payment_references_not_truncated BEFORE TRUNCATE ON payment_references
    FOR EACH STATEMENT EXECUTE FUNCTION payment_references_guard();

-- References that older versions let two orders have. Where the shop confirms, each was sent with an API key.
INSERT INTO payment_references (sale_id, hold_id, order_id, reference, kind, by_shop, seen_by, used_before)
SELECT sale_id, hold_id, id, payment_reference, 'reused', true, 'ropeline', ARRAY[earlier]
FROM (
    SELECT o.*, s.checkout,
           lag(o.id) OVER (PARTITION BY o.payment_reference ORDER BY o.confirmed_at, o.id) AS earlier
    FROM orders o JOIN sales s ON s.id = o.sale_id
    WHERE o.payment_reference IS NOT NULL AND s.checkout = 'shop'
) o
WHERE earlier IS NOT NULL
ORDER BY confirmed_at, id;
