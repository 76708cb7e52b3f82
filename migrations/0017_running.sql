-- What a gateway reads with each tick, without reading every sale that ever was.
CREATE INDEX sales_running ON sales (created_at) WHERE state <> 'closed';
CREATE INDEX sales_closed ON sales (closed_at) WHERE state = 'closed';
CREATE INDEX sales_newest ON sales (created_at DESC, id DESC);

-- Rises when the brand changes, so that a gateway reads up to 64 KiB of it once.
ALTER TABLE sales ADD COLUMN brand_version bigint NOT NULL DEFAULT 1;
CREATE FUNCTION sales_brand_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.brand_version := OLD.brand_version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER sales_brand_changed BEFORE UPDATE OF brand ON sales
    FOR EACH ROW WHEN (NEW.brand IS DISTINCT FROM OLD.brand) EXECUTE FUNCTION sales_brand_changed();
