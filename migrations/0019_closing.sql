-- A close that can be taken back until `closes_at`. Nobody is admitted or joins meanwhile, and nobody in line
-- is told that the sale is closed. `closing_from` is the state to go back to.
ALTER TABLE sales
    ADD COLUMN closes_at    timestamptz,
    ADD COLUMN closing_from text,
    ADD CONSTRAINT sales_closing_whole CHECK ((closes_at IS NULL) = (closing_from IS NULL)),
    ADD CONSTRAINT sales_closing_from_known
        CHECK (closing_from IS NULL OR closing_from IN ('scheduled', 'open', 'paused')),
    ADD CONSTRAINT sales_closing_not_open CHECK (closes_at IS NULL OR state <> 'open');
