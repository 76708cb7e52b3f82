-- A ticket that has no number of the line has a row all the same, at a number below the first: it left, or it was
-- told that the sale is sold out, while its number was another ticket's. Its row keeps every other writer from
-- giving it a place. It is never admitted. NOT VALID: the rows of before keep the stricter rule that
-- goes, so that nobody waits for a look at each of them.
ALTER TABLE joins
    DROP CONSTRAINT joins_seq_positive,
    ADD CONSTRAINT joins_numberless_not_admitted CHECK (seq > 0 OR state <> 'admitted') NOT VALID;
