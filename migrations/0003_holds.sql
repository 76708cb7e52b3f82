-- One row per recorded admission; a batch that is replayed finds its number taken and does nothing.
CREATE TABLE batches (
    sale_id     uuid        NOT NULL REFERENCES sales,
    epoch       integer     NOT NULL,
    n           bigint      NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),

    PRIMARY KEY (sale_id, epoch, n)
);

-- A hold keeps one unit for one ticket. Never-oversell is a property of this table: at most one
-- live-or-sold row per unit number, whatever a gateway, Redis or a psql session does.
CREATE TABLE holds (
    id          uuid        PRIMARY KEY,
    sale_id     uuid        NOT NULL REFERENCES sales,
    unit_no     integer     NOT NULL,
    ticket      uuid        NOT NULL,
    seq         bigint      NOT NULL,
    epoch       integer     NOT NULL,
    batch_n     bigint      NOT NULL,
    state       text        NOT NULL DEFAULT 'active',
    admitted_at timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    ended_at    timestamptz,

    -- A ticket is admitted once, ever.
    CONSTRAINT holds_ticket_once    UNIQUE (sale_id, ticket),
    CONSTRAINT holds_unit_positive  CHECK (unit_no >= 1),
    CONSTRAINT holds_state_known    CHECK (state IN ('active', 'confirmed', 'released', 'expired')),
    CONSTRAINT holds_ended_iff_final CHECK ((ended_at IS NOT NULL) = (state <> 'active')),
    CONSTRAINT holds_window_positive CHECK (expires_at > admitted_at),
    CONSTRAINT holds_expired_when_due CHECK (state <> 'expired' OR ended_at >= expires_at),
    FOREIGN KEY (sale_id, epoch, batch_n) REFERENCES batches
);

CREATE UNIQUE INDEX holds_unit_owned_once ON holds (sale_id, unit_no)
    WHERE state IN ('active', 'confirmed');
CREATE INDEX holds_due ON holds (expires_at) WHERE state = 'active';
CREATE INDEX holds_ended ON holds (sale_id, ended_at) WHERE state <> 'active';
CREATE INDEX holds_newest ON holds (sale_id, admitted_at DESC, seq DESC);

-- 1 ≤ unit_no ≤ stock, not withdrawn, and only active → confirmed | released | expired.
CREATE FUNCTION holds_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION 'a hold is never deleted' USING CONSTRAINT = 'holds_kept', ERRCODE = '23514';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'active' THEN
            RAISE EXCEPTION 'a hold begins active'
                USING CONSTRAINT = 'holds_begin_active', ERRCODE = '23514';
        END IF;
        IF NEW.unit_no > (SELECT stock FROM sales WHERE id = NEW.sale_id) THEN
            RAISE EXCEPTION 'unit % was never seeded', NEW.unit_no
                USING CONSTRAINT = 'holds_unit_seeded', ERRCODE = '23514';
        END IF;
        IF EXISTS (SELECT FROM withdrawn_units
                   WHERE sale_id = NEW.sale_id AND unit_no = NEW.unit_no) THEN
            RAISE EXCEPTION 'unit % was withdrawn', NEW.unit_no
                USING CONSTRAINT = 'holds_unit_not_withdrawn', ERRCODE = '23514';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> 'active' AND NEW IS DISTINCT FROM OLD THEN
        RAISE EXCEPTION 'a % hold is final', OLD.state
            USING CONSTRAINT = 'holds_final', ERRCODE = '23514';
    END IF;
    IF (NEW.id, NEW.sale_id, NEW.unit_no, NEW.ticket, NEW.seq, NEW.admitted_at)
        IS DISTINCT FROM (OLD.id, OLD.sale_id, OLD.unit_no, OLD.ticket, OLD.seq, OLD.admitted_at) THEN
        RAISE EXCEPTION 'a hold keeps its unit and its ticket'
            USING CONSTRAINT = 'holds_fixed', ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER holds_guard BEFORE INSERT OR UPDATE OR DELETE ON holds
    FOR EACH ROW EXECUTE FUNCTION holds_guard();
CREATE TRIGGER holds_not_truncated BEFORE TRUNCATE ON holds
    FOR EACH STATEMENT EXECUTE FUNCTION holds_guard();

-- A unit that somebody holds or owns stays in the sale.
CREATE FUNCTION withdrawn_units_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM holds WHERE sale_id = NEW.sale_id AND unit_no = NEW.unit_no
               AND state IN ('active', 'confirmed')) THEN
        RAISE EXCEPTION 'unit % is held or sold', NEW.unit_no
            USING CONSTRAINT = 'withdrawn_units_free', ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER withdrawn_units_guard BEFORE INSERT OR UPDATE ON withdrawn_units
    FOR EACH ROW EXECUTE FUNCTION withdrawn_units_guard();
