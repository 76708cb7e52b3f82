-- How a sale looks and what it says in its own words: the shop's name, a small picture, a colour, a language
-- and texts. Read as a whole with its sale and never searched, so one column of JSON.
ALTER TABLE sales
    ADD COLUMN brand jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT sales_brand_object CHECK (jsonb_typeof(brand) = 'object'),
    -- A picture of 4 KiB as base64, and every word in every language.
    ADD CONSTRAINT sales_brand_size   CHECK (octet_length(brand::text) <= 65536);
