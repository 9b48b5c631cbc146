-- +goose Up
-- Layers: what came in with a collection stands beside what was stored by other
-- means, so that one cannot stand in the other's way. See ../FORMAT.md.

CREATE TABLE layered_samples (
    id         INTEGER PRIMARY KEY,
    collection INTEGER REFERENCES collections (id) ON DELETE CASCADE,
    key        INTEGER NOT NULL REFERENCES keys (id),
    n          INTEGER NOT NULL CHECK (n >= 0),
    seed       INTEGER NOT NULL,
    status     TEXT    NOT NULL CHECK (status IN ('valid', 'censored', 'rejected')),
    reason     TEXT    NOT NULL CHECK ((status = 'valid') = (reason = '')),
    round_trip INTEGER NOT NULL CHECK (round_trip >= 0 AND (status <> 'valid' OR round_trip > 0)),
    null_call  INTEGER NOT NULL CHECK (null_call >= 0),
    busy       INTEGER NOT NULL CHECK (busy >= 0),
    provenance INTEGER NOT NULL REFERENCES provenance (id),
    measured   INTEGER,
    cost       INTEGER NOT NULL CHECK (cost >= 0),
    digest     TEXT    NOT NULL CHECK (length(digest) = 64)
) STRICT;

CREATE TABLE layered_counters (
    sample INTEGER NOT NULL REFERENCES layered_samples (id) ON DELETE CASCADE,
    name   TEXT    NOT NULL CHECK (name <> ''),
    value  INTEGER NOT NULL,
    PRIMARY KEY (sample, name)
) STRICT, WITHOUT ROWID;

-- A sample that came in with a collection moves to its layer; one that the store
-- had before stays, and the collection gets a copy. Copies need ids of their own.
CREATE TEMP TABLE moves AS
    SELECT samples.id AS old, samples.id AS new, NULL AS collection FROM samples
    WHERE id NOT IN (SELECT sample FROM collection_samples WHERE owned = 1)
    UNION ALL
    SELECT sample, CASE owned WHEN 1 THEN sample ELSE sample + collection * (SELECT max(id) + 1 FROM samples) END, collection
    FROM collection_samples;

INSERT INTO layered_samples
    SELECT new, collection, key, n, seed, status, reason, round_trip, null_call, busy, provenance, measured, cost, digest
    FROM moves JOIN samples ON samples.id = old;

INSERT INTO layered_counters SELECT new, name, value FROM moves JOIN counters ON sample = old;

DROP TABLE moves;
DROP TABLE collection_samples;
DROP TABLE counters;
DROP TABLE samples;

ALTER TABLE layered_samples RENAME TO samples;
ALTER TABLE layered_counters RENAME TO counters;

CREATE UNIQUE INDEX samples_number ON samples (key, n, coalesce(collection, 0));
CREATE INDEX samples_provenance ON samples (provenance);
CREATE INDEX samples_collection ON samples (collection);
