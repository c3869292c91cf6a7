"""The venue's tables. Decimals and times are TEXT: SQLite's numbers would lose digits."""

from typing import Final

APPLICATION_ID: Final = 0x6F_67_70_76  # "ogpv": marks the file as a paper venue's
VERSION: Final = 2

TABLES: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

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
    reason      TEXT,
    operation   TEXT,                  -- NULL is spot_trade
    terms       TEXT                   -- of the operation, as JSON
);
CREATE INDEX orders_working ON orders (number) WHERE status = 'working';

-- One row for every request that ever arrived, so that a client id counts once for ever.
CREATE TABLE requests (
    client_id    TEXT PRIMARY KEY,
    kind         TEXT NOT NULL,
    order_number INTEGER,              -- NULL where it was refused and belongs to no order
    refused      TEXT,                 -- why; NULL where it was done
    time         TEXT NOT NULL
) WITHOUT ROWID;

-- With the market that each was done at; 0 where none had a part in it.
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
    deltas       TEXT,                 -- the balances that it moved, as JSON; NULL where quantity and price say it
    PRIMARY KEY (order_number, number)
) WITHOUT ROWID;

CREATE TABLE reports (
    sequence     INTEGER PRIMARY KEY,  -- gap-free; the cursor
    order_number INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    body         TEXT NOT NULL
);
CREATE INDEX reports_of_order ON reports (order_number);

-- The last quote of each symbol, and what is left of its sizes.
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

-- What is open of perpetual contracts: signed, and what was agreed for it.
CREATE TABLE contracts (
    symbol   TEXT PRIMARY KEY,
    quantity TEXT NOT NULL,
    cost     TEXT NOT NULL
) WITHOUT ROWID;

-- What transfers have taken to other venues, in all.
CREATE TABLE sent (
    target TEXT NOT NULL,
    token  TEXT NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (target, token)
) WITHOUT ROWID;
"""

UPGRADES: Final = {
    1: """
ALTER TABLE orders ADD COLUMN operation TEXT;
ALTER TABLE orders ADD COLUMN terms TEXT;
ALTER TABLE executions ADD COLUMN deltas TEXT;
CREATE TABLE contracts (symbol TEXT PRIMARY KEY, quantity TEXT NOT NULL, cost TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE sent (
    target TEXT NOT NULL, token TEXT NOT NULL, amount TEXT NOT NULL, PRIMARY KEY (target, token)
) WITHOUT ROWID;
"""
}
"""What makes a file of each earlier version one of the next."""
