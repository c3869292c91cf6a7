"""`ordergate demo`: a market is replayed, signals become orders, and everything they led to is shown.

The replay is simulated, and no simulated clock rules a server. So what stands beside the demo (`--with`) comes after
it: the journal is opened again, on a clock that goes on from the last moment of the replay as real time passes, with
the outlets and inlets that a service would have. The outlets tell of everything that there is, from the first entry on;
what comes in trades on the last quotes of the replay.
"""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.clock import ShiftedClock, VirtualClock, run_virtual
from ordergate.adapters.ids import CountingIds
from ordergate.adapters.journals.database import busy
from ordergate.adapters.journals.door import read_door
from ordergate.adapters.journals.location import exists, locate, path_of, safe_to_show
from ordergate.adapters.market_data.csv_quotes import merge_quotes
from ordergate.adapters.market_data.signal_file import read_signals
from ordergate.adapters.market_data.synthetic import synthetic_quotes, synthetic_signals
from ordergate.api.market import market_of
from ordergate.application.audit.verify import verify
from ordergate.application.ports.ids import Ids
from ordergate.application.queries import show_order
from ordergate.bootstrap import Gate, clickhouse_in, nats_in, open_gate
from ordergate.cli import terminal as t
from ordergate.cli.demo_companions import KNOWN, Companion, named, started
from ordergate.cli.demo_waiting import heed_cancellation
from ordergate.cli.orders import print_orders
from ordergate.cli.reading import print_fills, print_positions
from ordergate.cli.replay import TimedSignal, replay
from ordergate.config import Config
from ordergate.config.clickhouse import ClickHouseSection
from ordergate.config.kafka import KafkaSection
from ordergate.config.nats import NatsSection
from ordergate.domain.errors import StoreError
from ordergate.domain.market import Quote
from ordergate.domain.times import format_time

SEED: Final = 7
_BEFORE: Final = timedelta(seconds=1)
_NEVER_S: Final = 10**9
"""In a simulated market an account does not change while nothing happens, and years may pass between two quotes."""
_LOOKS: Final = 3
"""At everything beside it, until nothing was journalled meanwhile."""
_YEARS: Final = range(1970, 2200)
_REFUSED: Final = ("signal_id", "symbol", "code", "reason")


class _Last(Struct, frozen=True):
    """The last moment of a replay, and the market at it."""

    at: datetime
    quotes: tuple[Quote, ...]


# Not that of the environment: there the journal of real orders is.
OwnDb = Annotated[str | None, typer.Option("--db", metavar="URL", help="Database, empty or not there yet.")]


def demo(
    quotes: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Quotes, CSV, plain or gzip.")
    ] = None,
    signals: Annotated[Path | None, typer.Option(metavar="FILE", help="Signals, JSON Lines.")] = None,
    db: OwnDb = None,
    beside: Annotated[
        str | None,
        typer.Option("--with", metavar="NAMES", help=f"Servers to start beside it: {', '.join(KNOWN)}."),
    ] = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Replay a market and show orders, fills, positions, refused signals and the audit.

    Without files it makes a market of its own. Without --db it uses a fresh temporary file. --with starts servers for
    the time of the demo, names separated by commas. nats: signals come in over NATS once the replay is over, and what
    went out over it is compared with the journal and the book. kafka: so is the archive in Kafka. clickhouse: signals
    come in from a table of ClickHouse's, and its answers to three questions stand beside the book's.
    """
    with t.failing(as_json=as_json), started(named(beside)) as companions:
        settings = _resting(t.read_config(config))
        wishes = _signals(quotes, signals)
        first, last, total = _survey(_market(quotes))
        clock = VirtualClock(_start([first, last, *(at for at, _signal in wishes)]))
        url, ids = _fresh(db), CountingIds()
        if companions and path_of(url) is None:
            raise t.InputError(
                "--with: the database in memory is gone when the replay ends: name a file with --db"
            )
        with t.progress("Replaying") as advance:
            result, end = run_virtual(_run(settings, url, clock, ids, quotes, wishes, advance, total))
        if companions:
            result = asyncio.run(_accompanied(settings, url, end, ids, companions))
        if as_json:
            t.print_json(result)
        else:
            _print(result, companions)
        wrong = [one.name for one in companions if not result["with"][one.name]["agrees"]]
    if wrong:
        t.say(f"error: {', '.join(wrong)} does not agree with the book", style="red")
        raise typer.Exit(t.Exit.ERROR)


def _resting(config: Config) -> Config:
    """The configuration without comparisons of accounts every so often, and without servers: this is no real trade."""
    seldom = replace(config.reconciliation, every_s=_NEVER_S)
    return replace(
        config,
        reconciliation=seldom,
        kafka=KafkaSection(),
        nats=NatsSection(),
        clickhouse=ClickHouseSection(),
    )


def _signals(quotes: list[Path] | None, signals: Path | None) -> list[TimedSignal]:
    """Those of the file; without any file, those that go with the market of our own."""
    if signals is not None:
        return read_signals(signals)
    return [] if quotes else synthetic_signals(SEED)


def _market(quotes: list[Path] | None) -> Iterator[Quote]:
    return merge_quotes(quotes) if quotes else synthetic_quotes(SEED)


def _survey(market: Iterator[Quote]) -> tuple[datetime, datetime, int]:
    """The first and last time, and how many quotes; so a bad row is found before anything is done."""
    first = last = next(market)
    count = 1
    for count, last in enumerate(market, 2):  # noqa: B007 - both are wanted behind the loop
        pass
    return first.time, last.time, count


def _start(moments: Sequence[datetime]) -> datetime:
    """A little before the first moment."""
    for at in moments:
        if at.year not in _YEARS:
            years = f"{_YEARS.start} to {_YEARS.stop - 1}"
            raise t.InputError(f"{format_time(at)} cannot be simulated: quotes and signals are of {years}")
    return min(moments) - _BEFORE


def _fresh(db: str | None) -> str:
    if db is None:
        return f"sqlite:///{Path(tempfile.mkdtemp(prefix='ordergate-demo-')) / 'demo.db'}"
    if locate(db).kind == "server":
        raise StoreError(
            f"{safe_to_show(db)}: the demo's simulated clock rules no server; write sqlite:///PATH"
        )
    path = path_of(db)
    if path is not None and exists(path) and path.stat().st_size:
        door = read_door(path)
        served = f"process {door.pid} serves it at {door.url}" if door and busy(path) else "it is not empty"
        raise StoreError(
            f"{path}: {served}, and the demo needs a database of its own; name another with --db"
        )
    return db


async def _run(
    config: Config,
    url: str,
    clock: VirtualClock,
    ids: Ids,
    quotes: list[Path] | None,
    signals: list[TimedSignal],
    advance: Any,
    total: int,
) -> tuple[dict[str, Any], _Last]:
    async with open_gate(config, url, clock=clock, ids=ids) as gate:
        await replay(gate, clock, _market(quotes), signals, advance, total)
        return await _result(gate, url), _Last(clock.now(), tuple(gate.quotes.values()))


async def _accompanied(
    config: Config, url: str, last: _Last, ids: Ids, companions: Sequence[Companion]
) -> dict[str, Any]:
    """What the demo shows once the companions have been told of everything, and have done their parts."""
    for companion in companions:
        config = companion.configured(config)
    async with (
        open_gate(config, url, clock=ShiftedClock(last.at), ids=ids) as gate,
        nats_in(config, gate),
        clickhouse_in(config, gate),
    ):
        for quote in last.quotes:
            gate.feed(quote)
        for companion in companions:
            await companion.act(gate)
            heed_cancellation()
        for _look in range(_LOOKS):
            await gate.quiet()
            size, found = (await gate.journal.head()).size, {}
            for companion in companions:
                found[companion.name] = await companion.compare(gate)
                heed_cancellation()
            shown = await _result(gate, url) | {"with": found}
            if shown["audit"]["size"] == size:
                break
        return shown


async def _result(gate: Gate, url: str) -> dict[str, Any]:
    verified = await verify(gate.journal, gate.verifier)
    return {
        "orders": [show_order(order) for order in await gate.queries.orders()],
        "fills": await gate.queries.shown_fills(),
        "positions": await gate.queries.shown_positions(market_of(gate)),
        "refused": await gate.queries.refusals(),
        "audit": {"size": verified.size, "root": verified.root, "verified": verified.signed},
        "database": safe_to_show(url),
    }


def _print(result: dict[str, Any], companions: Sequence[Companion]) -> None:
    print_orders(result["orders"])
    print_fills(result["fills"])
    print_positions(result["positions"])
    t.print_table(
        "Refused signals", _REFUSED, [[row[name] for name in _REFUSED] for row in result["refused"]]
    )
    for companion in companions:
        companion.say(result["with"][companion.name])
    audit = result["audit"]
    word = "verified" if audit["verified"] else "NOT verified"
    t.out.print(f"Audit: {audit['size']} entries, root {audit['root']}, {word}")
    t.out.print(f"Database: {result['database']}", soft_wrap=True)
    kept = locate(result["database"]).kind != "memory"
    t.say(f"Look further: ordergate audit verify --db {result['database']}" if kept else "")
