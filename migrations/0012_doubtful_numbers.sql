-- Numbers that Redis may have handed out twice, because it went back while nobody could write the first ones
-- down: whoever shows one of these is looked up by ticket, in the journal.
CREATE TABLE doubtful_numbers (
    sale_id uuid   NOT NULL REFERENCES sales,
    epoch   int    NOT NULL,
    first   bigint NOT NULL,
    last    bigint NOT NULL,
    PRIMARY KEY (sale_id, epoch),
    CONSTRAINT doubtful_numbers_in_order CHECK (first <= last)
);
