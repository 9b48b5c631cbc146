-- +goose Up
-- Collections: named sets of samples that came in together, such as the
-- recorded ones that ship with the program.

CREATE TABLE collections (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE CHECK (name <> ''),
    digest TEXT NOT NULL CHECK (digest <> '')
) STRICT;

CREATE TABLE collection_samples (
    sample     INTEGER NOT NULL REFERENCES samples (id) ON DELETE CASCADE,
    collection INTEGER NOT NULL REFERENCES collections (id) ON DELETE CASCADE,
    owned      INTEGER NOT NULL CHECK (owned IN (0, 1)),
    PRIMARY KEY (sample, collection)
) STRICT, WITHOUT ROWID;

CREATE INDEX collection_samples_collection ON collection_samples (collection);
