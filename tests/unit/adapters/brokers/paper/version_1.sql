-- A venue's file as version 1 wrote it: A works with 40 of 100, B is filled, C waits for its stop; the quote stands.
PRAGMA application_id = 1869049974;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE executions (
    order_number INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    exec_id      TEXT NOT NULL,
    time         TEXT NOT NULL,
    symbol       TEXT NOT NULL,
    side         TEXT NOT NULL,
    quantity     TEXT NOT NULL,
    price        TEXT NOT NULL,
    fee          TEXT NOT NULL,
    fee_currency TEXT,
    bid          TEXT NOT NULL,
    ask          TEXT NOT NULL,
    quote_time   TEXT NOT NULL,
    PRIMARY KEY (order_number, number)
) WITHOUT ROWID;
INSERT INTO "executions" VALUES(1,1,'P1-1','2026-01-14T15:00:00.000000Z','ACME','buy','40','10.02','0',NULL,'10.00','10.02','2026-01-14T15:00:00.000000Z');
INSERT INTO "executions" VALUES(2,1,'P2-1','2026-01-14T15:00:00.000000Z','ACME','sell','5','10.00','0',NULL,'10.00','10.02','2026-01-14T15:00:00.000000Z');
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('name','paper');
CREATE TABLE orders (
    number      INTEGER PRIMARY KEY,   -- broker_order_id is P<number>
    client_id   TEXT NOT NULL,         -- of the last accepted submit or replace
    symbol      TEXT NOT NULL,
    side        TEXT NOT NULL,
    quantity    TEXT NOT NULL,
    order_type  TEXT NOT NULL,
    tif         TEXT NOT NULL,
    limit_price TEXT,
    stop_price  TEXT,
    entered     TEXT NOT NULL,
    expires     TEXT,
    triggered   INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    filled      TEXT NOT NULL,
    fills       INTEGER NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT
);
INSERT INTO "orders" VALUES(1,'A.1','ACME','buy','100','limit','gtc','10.02',NULL,'2026-01-14T15:00:00.000000Z',NULL,1,1,'40',1,'working',NULL);
INSERT INTO "orders" VALUES(2,'B.1','ACME','sell','5','market','gtc',NULL,NULL,'2026-01-14T15:00:00.000000Z',NULL,1,2,'5',1,'filled',NULL);
INSERT INTO "orders" VALUES(3,'C.1','ACME','buy','5','stop','gtc',NULL,'12','2026-01-14T15:00:00.000000Z',NULL,0,3,'0',0,'working',NULL);
CREATE TABLE quotes (
    symbol   TEXT PRIMARY KEY,
    time     TEXT NOT NULL,
    bid      TEXT NOT NULL,
    ask      TEXT NOT NULL,
    bid_size TEXT,
    ask_size TEXT,
    pinned   INTEGER NOT NULL,
    bid_left TEXT,
    ask_left TEXT
) WITHOUT ROWID;
INSERT INTO "quotes" VALUES('ACME','2026-01-14T15:00:00.000000Z','10.00','10.02','40','40',1,'35','0');
CREATE TABLE reports (
    sequence     INTEGER PRIMARY KEY,  -- gap-free; the cursor
    order_number INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    body         TEXT NOT NULL
);
INSERT INTO "reports" VALUES(1,1,'Executed','{"broker":"paper","client_id":"A.1","broker_order_id":"P1","exec_id":"P1-1","time":"2026-01-14T15:00:00Z","quantity":"40","price":"10.02","symbol":"ACME","side":"buy"}');
INSERT INTO "reports" VALUES(2,2,'Executed','{"broker":"paper","client_id":"B.1","broker_order_id":"P2","exec_id":"P2-1","time":"2026-01-14T15:00:00Z","quantity":"5","price":"10.00","symbol":"ACME","side":"sell","completes":true}');
INSERT INTO "reports" VALUES(3,3,'Acknowledged','{"broker":"paper","client_id":"C.1","broker_order_id":"P3"}');
CREATE TABLE requests (
    client_id    TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    order_number INTEGER,              -- NULL where it was refused and belongs to no order
    refused      TEXT,                 -- why; NULL where it was done
    time         TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO "requests" VALUES('A.1','submit',1,NULL,'2026-01-14T15:00:00.000000Z');
INSERT INTO "requests" VALUES('B.1','submit',2,NULL,'2026-01-14T15:00:00.000000Z');
INSERT INTO "requests" VALUES('C.1','submit',3,NULL,'2026-01-14T15:00:00.000000Z');
CREATE INDEX orders_working ON orders (number) WHERE status = 'working';
CREATE INDEX reports_of_order ON reports (order_number);
COMMIT;
