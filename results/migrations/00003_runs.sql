-- +goose Up
-- Runs: finished runs of the cluster model.

CREATE TABLE runs (
    id       INTEGER PRIMARY KEY,
    name     TEXT    NOT NULL,
    scenario TEXT    NOT NULL CHECK (scenario <> ''),
    seed     INTEGER NOT NULL,
    samples  TEXT    NOT NULL,
    version  TEXT    NOT NULL,
    host     TEXT    NOT NULL,
    finished INTEGER NOT NULL,
    elapsed  INTEGER NOT NULL CHECK (elapsed >= 0),
    result   TEXT    NOT NULL,
    digest   TEXT    NOT NULL CHECK (length(digest) = 64),
    UNIQUE (scenario, seed, samples, digest)
) STRICT;
