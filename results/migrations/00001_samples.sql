-- +goose Up
-- Keys, samples, counters and provenance: what was measured. See ../FORMAT.md.

CREATE TABLE keys (
    id              INTEGER PRIMARY KEY,
    digest          TEXT NOT NULL UNIQUE CHECK (length(digest) = 64),
    function        TEXT NOT NULL CHECK (function <> ''),
    image           TEXT NOT NULL CHECK (image <> ''),
    input           TEXT NOT NULL CHECK (input <> ''),
    platform        TEXT NOT NULL CHECK (platform <> ''),
    platform_digest TEXT NOT NULL CHECK (platform_digest <> ''),
    condition       TEXT NOT NULL CHECK (condition <> ''),
    stack           TEXT NOT NULL CHECK (stack <> ''),
    UNIQUE (function, input, platform, platform_digest, image, stack, condition)
) STRICT;

CREATE TABLE provenance (
    id               INTEGER PRIMARY KEY,
    backend          TEXT NOT NULL,
    simulator_digest TEXT NOT NULL,
    boot             TEXT NOT NULL,
    restore          TEXT NOT NULL,
    host             TEXT NOT NULL,
    note             TEXT NOT NULL,
    UNIQUE (boot, restore, backend, simulator_digest, host, note)
) STRICT;

CREATE TABLE samples (
    id         INTEGER PRIMARY KEY,
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
    digest     TEXT    NOT NULL CHECK (length(digest) = 64),
    UNIQUE (key, n)
) STRICT;

CREATE INDEX samples_provenance ON samples (provenance);

CREATE TABLE counters (
    sample INTEGER NOT NULL REFERENCES samples (id) ON DELETE CASCADE,
    name   TEXT    NOT NULL CHECK (name <> ''),
    value  INTEGER NOT NULL,
    PRIMARY KEY (sample, name)
) STRICT, WITHOUT ROWID;
