-- Addresses that were given out go on working: the slugs that a sale had before, and the slug of an archived
-- sale until another sale takes it.
ALTER TABLE sales ADD COLUMN archived_at timestamptz;
ALTER TABLE sales ADD CONSTRAINT sales_archived_is_closed CHECK (archived_at IS NULL OR state = 'closed');

-- An archived sale lets go of its slug.
ALTER TABLE sales DROP CONSTRAINT sales_slug_unique;
CREATE UNIQUE INDEX sales_slug_unique ON sales (slug) WHERE archived_at IS NULL;
CREATE INDEX sales_slug ON sales (slug);

CREATE TABLE former_slugs (
    slug       text        PRIMARY KEY,
    sale_id    uuid        NOT NULL REFERENCES sales,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX former_slugs_sale ON former_slugs (sale_id);

-- Keeps the former slugs of a sale, gives back its own, and refuses those of other sales. It runs after the
-- row is written: a sale that takes a slug waits on sales_slug_unique for whoever lets go of it just now, and
-- sees the former slug then.
CREATE FUNCTION sales_slugs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.archived_at IS NOT NULL THEN
        DELETE FROM former_slugs WHERE sale_id = NEW.id;
        RETURN NULL;
    END IF;
    DELETE FROM former_slugs WHERE slug = NEW.slug AND sale_id = NEW.id;
    IF EXISTS (SELECT FROM former_slugs WHERE slug = NEW.slug) THEN
        RAISE EXCEPTION 'another sale had this slug'
            USING CONSTRAINT = 'sales_slug_not_former', ERRCODE = '23505';
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.slug <> OLD.slug THEN
        INSERT INTO former_slugs (slug, sale_id) VALUES (OLD.slug, NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sales_slugs AFTER INSERT OR UPDATE OF slug, archived_at ON sales
    FOR EACH ROW EXECUTE FUNCTION sales_slugs();

-- The sale that an address leads to: the one that has the slug now, the one that had it, or the newest
-- archived one.
CREATE FUNCTION sale_of_slug(wanted text) RETURNS uuid LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT id FROM sales WHERE slug = wanted AND archived_at IS NULL),
        (SELECT sale_id FROM former_slugs WHERE slug = wanted),
        (SELECT id FROM sales WHERE slug = wanted ORDER BY archived_at DESC LIMIT 1)
    )
$$;
