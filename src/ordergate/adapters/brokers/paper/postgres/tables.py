"""The schema of a venue, and the two statements that its session lives on, made from one list of tables."""

import itertools
from typing import Final

from msgspec import Struct

from ordergate.application.clock_check import LARGEST_DIFFERENCE

VERSION: Final = 2
_CLOCKS_DIFFER_S: Final = LARGEST_DIFFERENCE.total_seconds()
LONGEST_NAME: Final = 63
"""Bytes of an identifier; PostgreSQL cuts off what is longer, so that two names could be one."""


class Table(Struct, frozen=True):
    """A table: what its columns are, each a line of SQL, and which of them an insert may find taken."""

    name: str
    body: str
    replaces: str | None = None

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Names and types."""
        lines = [line.split() for line in self.body.strip().splitlines()]
        return [(words[0], words[1].rstrip(",")) for words in lines if words[0].islower()]


ORDERS: Final = Table(
    "orders",
    """
    number      bigint PRIMARY KEY,
    client_id   text NOT NULL,
    symbol      text NOT NULL,
    side        text NOT NULL,
    quantity    numeric NOT NULL,
    order_type  text NOT NULL,
    tif         text NOT NULL,
    limit_price numeric,
    stop_price  numeric,
    entered     timestamptz NOT NULL,
    expires     timestamptz,
    triggered   boolean NOT NULL,
    priority    bigint NOT NULL,
    filled      numeric NOT NULL,
    fills       bigint NOT NULL,
    status      text NOT NULL,
    reason      text,
    operation   text,
    terms       text
    """,
    replaces="number",
)
REQUESTS: Final = Table(
    "requests",
    """
    client_id    text PRIMARY KEY,
    kind         text NOT NULL,
    order_number bigint,
    refused      text,
    time         timestamptz NOT NULL
    """,
)
EXECUTIONS: Final = Table(
    "executions",
    """
    order_number bigint NOT NULL,
    number       bigint NOT NULL,
    exec_id      text NOT NULL,
    time         timestamptz NOT NULL,
    symbol       text NOT NULL,
    side         text NOT NULL,
    quantity     numeric NOT NULL,
    price        numeric NOT NULL,
    fee          numeric NOT NULL,
    fee_currency text,
    bid          numeric NOT NULL,
    ask          numeric NOT NULL,
    quote_time   timestamptz NOT NULL,
    deltas       text,
    PRIMARY KEY (order_number, number)
    """,
)
REPORTS: Final = Table(
    "reports",
    """
    sequence     bigint PRIMARY KEY,
    order_number bigint NOT NULL,
    kind         text NOT NULL,
    body         text NOT NULL
    """,
)
QUOTES: Final = Table(
    "quotes",
    """
    symbol   text PRIMARY KEY,
    time     timestamptz NOT NULL,
    bid      numeric NOT NULL,
    ask      numeric NOT NULL,
    bid_size numeric,
    ask_size numeric,
    pinned   boolean NOT NULL,
    bid_left numeric,
    ask_left numeric
    """,
    replaces="symbol",
)
CONTRACTS: Final = Table(
    "contracts",
    """
    symbol   text PRIMARY KEY,
    quantity numeric NOT NULL,
    cost     numeric NOT NULL
    """,
    replaces="symbol",
)
SENT: Final = Table(
    "sent",
    """
    target text NOT NULL,
    token  text NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (target, token)
    """,
    replaces="target, token",
)
WRITTEN: Final = (REQUESTS, ORDERS, EXECUTIONS, REPORTS, QUOTES, CONTRACTS, SENT)
"""What a batch writes, in the order of the statement's parameters."""


def quoted(identifier: str) -> str:
    """As SQL takes it, whatever it is."""
    return '"' + identifier.replace('"', '""') + '"'


def creation(schema: str) -> str:
    """Makes the schema; `meta` has one row, and its epoch counts the openings.

    `handed` has the quotes that were set by hand where the venue's session is not, until its owner takes them.
    """
    tables = "".join(f"CREATE TABLE {schema}.{table.name} ({table.body});\n" for table in WRITTEN)
    return f"""
CREATE SCHEMA {schema};
CREATE TABLE {schema}.meta (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    name    text NOT NULL,
    version integer NOT NULL,
    epoch   bigint NOT NULL,
    holder  text NOT NULL
);
CREATE TABLE {schema}.handed (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol   text NOT NULL,
    time     timestamptz NOT NULL,
    bid      numeric NOT NULL,
    ask      numeric NOT NULL,
    bid_size numeric,
    ask_size numeric
);
{tables}
CREATE INDEX orders_working ON {schema}.orders (number) WHERE status = 'working';
CREATE INDEX reports_of_order ON {schema}.reports (order_number);
CREATE INDEX quotes_pinned ON {schema}.quotes (symbol) WHERE pinned;
"""


def upgrades(schema: str) -> dict[int, str]:
    """What makes a schema of each earlier version one of the next; all that is there stays."""
    return {
        1: f"""
ALTER TABLE {schema}.orders ADD COLUMN operation text, ADD COLUMN terms text;
ALTER TABLE {schema}.executions ADD COLUMN deltas text;
CREATE TABLE {schema}.contracts ({CONTRACTS.body});
CREATE TABLE {schema}.sent ({SENT.body});
"""
    }


def writing(schema: str) -> str:
    """One batch in one statement, and so in one transaction that no pause of its sender can leave open.

    Nothing is written unless the epoch is still the last: the row stays locked until the commit, so that a
    later opening waits for it; nor where an order would end before its time by the database's clock, because
    its sender's is ahead. Parameters: the epoch, a list for each column, the quotes taken of `handed`, the channel,
    and whether to tell it. One row: whether the epoch held, and whether an order would end early.
    """
    places = itertools.count(2)
    lists_of = {table: [f"${next(places)}::{kind}[]" for _, kind in table.columns] for table in WRITTEN}
    column = dict(zip((name for name, _ in ORDERS.columns), lists_of[ORDERS], strict=True))
    early = (
        f"SELECT FROM unnest({column['status']}, {column['expires']}) AS o (status, expires)"
        f" WHERE status = 'expired' AND expires > clock_timestamp() + interval '{_CLOCKS_DIFFER_S:.0f} seconds'"
    )
    held = f"SELECT FROM {schema}.meta WHERE one AND epoch = $1 AND NOT EXISTS (SELECT FROM early) FOR SHARE"
    steps = [f"early AS MATERIALIZED ({early})", f"held AS MATERIALIZED ({held})"]
    for table in WRITTEN:
        names = ", ".join(name for name, _ in table.columns)
        lists = ", ".join(lists_of[table])
        steps.append(
            f"new_{table.name} AS (INSERT INTO {schema}.{table.name} ({names}) SELECT * FROM unnest({lists})"
            f" WHERE EXISTS (SELECT FROM held){_replacing(table)})"
        )
    taken, channel, tell = next(places), next(places), next(places)
    steps += [
        f"gone AS (DELETE FROM {schema}.handed WHERE number = ANY(${taken}::bigint[]) AND EXISTS (SELECT FROM held))",
        f"told AS MATERIALIZED (SELECT pg_notify(${channel}::text, '') FROM held WHERE ${tell}::boolean)",
    ]
    answer = "EXISTS (SELECT FROM held) AS held, EXISTS (SELECT FROM early) AS early"
    return f"WITH {', '.join(steps)} SELECT {answer}, (SELECT count(*) FROM told) AS told"


def reading(schema: str) -> str:
    """What requests look at: at least one row, each with the epoch. Parameters: client ids, order numbers."""
    requests = ", ".join(f"r.{name} AS request_{name}" for name, _ in REQUESTS.columns)
    nothing = ", ".join(f"NULL::{kind}" for _, kind in REQUESTS.columns)
    orders = ", ".join(f"o.{name}" for name, _ in ORDERS.columns)
    return (
        f"SELECT meta.epoch, found.* FROM {schema}.meta LEFT JOIN ("
        f"SELECT {requests}, {orders} FROM {schema}.requests r"
        f" LEFT JOIN {schema}.orders o ON o.number = r.order_number WHERE r.client_id = ANY($1::text[])"
        f" UNION ALL SELECT {nothing}, {orders} FROM {schema}.orders o WHERE o.number = ANY($2::bigint[])"
        ") found ON true WHERE one"
    )


def _replacing(table: Table) -> str:
    if table.replaces is None:
        return ""
    keys = table.replaces.split(", ")
    changed = ", ".join(f"{name} = excluded.{name}" for name, _ in table.columns if name not in keys)
    return f" ON CONFLICT ({table.replaces}) DO UPDATE SET {changed}"
