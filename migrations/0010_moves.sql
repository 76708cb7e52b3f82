-- A place that goes on on another device. Each move raises the ticket's generation, and a credential of an
-- earlier one is good for nothing any more. Only what was moved, or is about to be, has a row.
CREATE TABLE moves (
    sale_id    uuid        NOT NULL REFERENCES sales,
    ticket     uuid        NOT NULL,
    generation integer     NOT NULL DEFAULT 0,
    -- The SHA-256 of the newest link's code: who reads this table cannot use it.
    link       bytea       NOT NULL,
    link_until timestamptz NOT NULL,
    -- The print of whoever used the link: the same one may ask again, should the answer have got lost.
    taken_by   bytea,
    moved_at   timestamptz,

    PRIMARY KEY (sale_id, ticket),
    CONSTRAINT moves_link_unique         UNIQUE (link),
    CONSTRAINT moves_generation_positive CHECK (generation >= 0),
    CONSTRAINT moves_moved_iff_rises     CHECK ((moved_at IS NOT NULL) = (generation > 0))
);
-- What gateways ask for several times a second.
CREATE INDEX moves_newest ON moves (moved_at);

-- A generation that fell would bring an old device back.
CREATE FUNCTION moves_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.generation < OLD.generation THEN
        RAISE EXCEPTION 'a generation only rises'
            USING CONSTRAINT = 'moves_generation_rises', ERRCODE = '23514';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER moves_guard BEFORE UPDATE ON moves FOR EACH ROW EXECUTE FUNCTION moves_guard();
