-- +goose Up
-- A digest over all that a row says of a run. It is empty in the rows of before: what
-- they say was never covered, and is not vouched for now. See ../FORMAT.md.

ALTER TABLE runs ADD COLUMN record TEXT NOT NULL DEFAULT '' CHECK (length(record) IN (0, 64));
