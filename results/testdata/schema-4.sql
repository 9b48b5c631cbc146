-- A store of schema 4: what `sqlite3 store.db .dump` prints, and its application_id.
PRAGMA application_id = 1298362227;
BEGIN TRANSACTION;
CREATE TABLE schema_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO schema_version VALUES(1,0,1,'2026-11-22 10:00:00');
INSERT INTO schema_version VALUES(2,1,1,'2026-11-22 10:00:00');
INSERT INTO schema_version VALUES(3,2,1,'2026-11-22 10:00:00');
INSERT INTO schema_version VALUES(4,3,1,'2026-11-22 10:00:00');
INSERT INTO schema_version VALUES(5,4,1,'2026-11-22 10:00:00');
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
INSERT INTO keys VALUES(1,'7be76b22ef1edebe7a6512307c9731d5706d3edbb814dfc4018df5b0b700ded6','fibonacci-go','sha256:1111','default','host-test','sha256:2222','warm','sha256:3333');
INSERT INTO keys VALUES(2,'39e3ed713faf6e2cd1424cf5915f607ed411587f6fca2801f73598b644c89e74','fibonacci-go','sha256:1111','default','host-test','sha256:2222','lukewarm:4','sha256:3333');
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
INSERT INTO provenance VALUES(1,'host','sha256:4444','boot-0','restore-0','node-1','a note, with "quotes"');
INSERT INTO provenance VALUES(2,'host','sha256:4444','boot-1','restore-1','node-1','a note, with "quotes"');
INSERT INTO provenance VALUES(3,'host','sha256:4444','boot-0','restore-2','node-1','a note, with "quotes"');
INSERT INTO provenance VALUES(4,'host','sha256:4444','boot-1','restore-3','node-1','a note, with "quotes"');
CREATE TABLE collections (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE CHECK (name <> ''),
    digest TEXT NOT NULL CHECK (digest <> '')
) STRICT;
INSERT INTO collections VALUES(1,'recorded','d1');
INSERT INTO collections VALUES(2,'other','x');
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
INSERT INTO runs VALUES(1,'old','s',0,'x','v','h',1795341600,1,'{}','44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a');
CREATE TABLE IF NOT EXISTS "samples" (
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
INSERT INTO samples VALUES(1,NULL,1,0,-81985529216486896,'valid','',1000000,200000,700000,1,1795341600,1234567,'652866acde52caea1afc30025b2f350048dbc1d922636889debb1baae9e3e049');
INSERT INTO samples VALUES(2,NULL,1,1,-81985529216486895,'valid','',1001000,200000,700001,2,1795341601,1234567,'edcd2636d1031738c0321af5e8219ff3261c151fc9513a75f8af1a07a51a2db7');
INSERT INTO samples VALUES(3,NULL,2,0,-81985529216486896,'censored',replace('hung\nfor good','\n',char(10)),1000000,200000,700000,1,1795341600,1234567,'bab5e75e332a2e57c7844c05a85d8d1c7eb9eb61d40c461e417b72cc605c375d');
INSERT INTO samples VALUES(4,1,1,0,-81985529216486896,'valid','',1000000,200000,700000,1,1795341600,1234567,'652866acde52caea1afc30025b2f350048dbc1d922636889debb1baae9e3e049');
INSERT INTO samples VALUES(5,1,1,1,-81985529216486895,'valid','',1001000,200000,700001,2,1795341601,1234567,'edcd2636d1031738c0321af5e8219ff3261c151fc9513a75f8af1a07a51a2db7');
INSERT INTO samples VALUES(6,1,1,2,-81985529216486894,'valid','',1002000,200000,700002,3,1795341602,1234567,'817e869625dd72233f5f9bd0404f3d425d9be6c5815b88b89c18a7acb6f4db38');
INSERT INTO samples VALUES(7,2,1,2,-81985529216486894,'valid','',1002000,200000,700002,3,1795341602,1234567,'817e869625dd72233f5f9bd0404f3d425d9be6c5815b88b89c18a7acb6f4db38');
INSERT INTO samples VALUES(8,2,1,3,-81985529216486893,'valid','',1003000,200000,700003,4,1795341603,1234567,'22a0d548725401c8cb43928d2fb11e30fd2a83249c92e455b1573ebe253c75d2');
CREATE TABLE IF NOT EXISTS "counters" (
    sample INTEGER NOT NULL REFERENCES "samples" (id) ON DELETE CASCADE,
    name   TEXT    NOT NULL CHECK (name <> ''),
    value  INTEGER NOT NULL,
    PRIMARY KEY (sample, name)
) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES(1,'cycles',3000);
INSERT INTO counters VALUES(1,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(2,'cycles',3001);
INSERT INTO counters VALUES(2,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(3,'cycles',3000);
INSERT INTO counters VALUES(3,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(4,'cycles',3000);
INSERT INTO counters VALUES(4,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(5,'cycles',3001);
INSERT INTO counters VALUES(5,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(6,'cycles',3002);
INSERT INTO counters VALUES(6,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(7,'cycles',3002);
INSERT INTO counters VALUES(7,'system.cpu0.dcache.overallMisses::total',7);
INSERT INTO counters VALUES(8,'cycles',3003);
INSERT INTO counters VALUES(8,'system.cpu0.dcache.overallMisses::total',7);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('schema_version',5);
CREATE UNIQUE INDEX samples_number ON samples (key, n, coalesce(collection, 0));
CREATE INDEX samples_provenance ON samples (provenance);
CREATE INDEX samples_collection ON samples (collection);
COMMIT;
