"""`ordergate fills`, `positions` and `events`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from ordergate.application.adjustments import adjustments
from ordergate.application.entry import Entry, decode
from ordergate.application.ports.journal import JournalReader
from ordergate.application.queries import Queries
from ordergate.cli import terminal as t
from ordergate.cli.market import market
from ordergate.cli.places import ShardName, opened, place, places, reading
from ordergate.domain.orders.events import OrderEvent
from ordergate.domain.times import format_time

_FILL: Final = (
    "time", "fund", "fill", "symbol", "side", "quantity", "price", "fee", "slippage bps", "slippage pips",
)  # fmt: skip
_POSITION: Final = (
    "fund", "symbol", "quantity", "unit", "average", "price", "value", "unrealized", "realized", "this year",
    "currency", "fees",
)  # fmt: skip
_LOT: Final = ("fund", "symbol", "lot", "opened", "quantity", "remaining", "price")
_ADJUSTMENT: Final = ("fund", "symbol", "break", "booked", "side", "quantity", "price", "by", "why")
_WORTH: Final = (
    "fund", "symbol", "value", "unrealized", "realized", "this year", "currency", "rate", "from", "as of",
)  # fmt: skip
_NUMBERS: Final = (
    "quantity", "price", "fee", "slippage bps", "slippage pips", "average", "value", "unrealized", "realized",
    "this year", "remaining", "rate",
)  # fmt: skip
_AMOUNTS: Final = ("market_value", "unrealized_pl", "realized_pl", "realized_pl_ytd")
_POLL_S: Final = 0.2
_AT_ONCE: Final = 500

Fund = Annotated[str | None, typer.Option("--fund", help="Of this fund.")]
Symbol = Annotated[str | None, typer.Option("--symbol", help="Of this symbol.")]


def print_fills(fills: list[dict[str, Any]]) -> None:
    """A table of fills; slippage is against the mid when the order arrived, positive is adverse."""
    rows = [
        (t.second(f["time"]), f["fund_id"], f["fill_id"], f["symbol"], f["side"], f["quantity"], f["price"],
         f"{f['fee']} {f['fee_currency']}" if f["fee_currency"] else f["fee"], f["slippage_bps"], f["slippage_pips"])
        for f in fills
    ]  # fmt: skip
    t.print_table("Fills", _FILL, rows, _NUMBERS)


def print_positions(positions: list[dict[str, Any]]) -> None:
    """A table of positions, of their open lots, of what was booked and not traded, and of other currencies."""
    rows = [
        (p["fund_id"], p["symbol"], p["quantity"], p["unit"], *map(t.short, (
            p["average_price"], p["price"], p["market_value"], p["unrealized_pnl"], p["realized_pnl"],
            p["realized_pnl_ytd"])), p["currency"], _fees(p["fees"]))
        for p in positions
    ]  # fmt: skip
    t.print_table("Positions", _POSITION, rows, _NUMBERS)
    lots = [
        (p["fund_id"], p["symbol"], lot["lot_id"], t.second(lot["opened_at"]), lot["quantity"], lot["remaining"],
         lot["price"])
        for p in positions for lot in p["lots"]
    ]  # fmt: skip
    if lots:
        t.print_table("Open lots", _LOT, lots, _NUMBERS)
    adjusted = [
        (a["fund_id"], a["symbol"], a["break_id"], t.second(a["booked_at"]), a["side"], a["quantity"], a["price"],
         a["by"], a["why"])
        for p in positions for a in p.get("adjustments", ())
    ]  # fmt: skip
    if adjusted:
        t.print_table("Adjustments, which are no fills", _ADJUSTMENT, adjusted, _NUMBERS)
    worth = [row for p in positions for row in _worth(p)]
    if worth:
        t.print_table("In another currency", _WORTH, worth, _NUMBERS)


def _worth(p: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """In dollars and in the fund's currency, where the instrument has another."""
    for name, currency in {"USD": "usd", p["fund_currency"]: "fund"}.items():
        if name != p["currency"]:
            yield (
                p["fund_id"],
                p["symbol"],
                *(t.short(p[f"{amount}_{currency}"]) for amount in _AMOUNTS),
                name,
                *rate_cells(p[f"{currency}_rate"]),
            )


def rate_cells(rate: dict[str, Any] | None) -> tuple[str, str, str]:
    """A rate, where it comes from, and when that was."""
    if rate is None:
        return "", "no rate", ""
    return t.short(rate["rate"]), rate["source"], t.second(rate["time"] or "")


def _fees(fees: dict[str, str]) -> str:
    return " ".join(f"{fee} {currency}" for currency, fee in fees.items())


def fills(
    fund: Fund = None,
    symbol: Symbol = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """List fills with their slippage."""

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            shown = await Queries(reader).shown_fills(fund_id=fund, symbol=symbol)
        t.print_json(shown) if as_json else print_fills(shown)

    t.run(main, as_json=as_json)


def positions(
    fund: Fund = None,
    symbol: Symbol = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """List positions with their open lots, adjustments, what they have made, and what they are worth.

    Quotes come from whoever serves the database; without them only what is realised is known.
    """

    async def main() -> None:
        async with reading(db, config, shard) as reader:
            shown = await Queries(reader).shown_positions(
                await market(db, config, shard), fund_id=fund, symbol=symbol
            )
        booked = await _adjustments(db, config, shard, fund, symbol)
        for p in shown:
            p["adjustments"] = [
                a for a in booked if (a["fund_id"], a["symbol"]) == (p["fund_id"], p["symbol"])
            ]
        t.print_json(shown) if as_json else print_positions(shown)

    t.run(main, as_json=as_json)


async def _adjustments(
    db: str | None, config: Path | None, shard: str | None, fund: str | None, symbol: str | None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for at in places(db, t.read_config(config), shard):
        async with opened(at) as reader:
            found += await adjustments(reader, fund, symbol)
    return found


def events(
    after: Annotated[int, typer.Option(help="Only entries behind this index.")] = -1,
    order: Annotated[str | None, typer.Option(help="Of this order.")] = None,
    kind: Annotated[str | None, typer.Option(help="Of this kind, such as OrderFilled.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what comes; Ctrl-C ends it.")] = False,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show the journal's entries; with --follow and --json, one JSON document a line."""

    async def main() -> None:
        shown = []
        async with opened(place(db, t.read_config(config), shard)) as reader:
            async for entry in _entries(reader, after + 1, follow=follow):
                if not _wanted(entry, order, kind):
                    continue
                if not as_json:
                    print(_line(entry), flush=follow)  # noqa: T201
                elif follow:
                    print(msgspec.json.encode(entry).decode(), flush=True)  # noqa: T201
                else:
                    shown.append(msgspec.to_builtins(entry))
        if as_json and not follow:
            t.print_json(shown)

    t.run(main, as_json=as_json)


async def _entries(reader: JournalReader, first: int, *, follow: bool) -> AsyncIterator[Entry]:
    while True:
        lines = await reader.lines(first, _AT_ONCE)
        for line in lines:
            yield decode(line.data, first)
            first += 1
        if not lines and not follow:
            return
        if not lines:
            await asyncio.sleep(_POLL_S)


def _wanted(entry: Entry, order: str | None, kind: str | None) -> bool:
    return order in (None, entry.order_id) and kind in (None, type(entry.event).__name__)


def _line(entry: Entry) -> str:
    path = " > ".join(entry.event.path) if isinstance(entry.event, OrderEvent) else ""
    words = (str(entry.index).rjust(6), format_time(entry.time), entry.actor, type(entry.event).__name__,
             entry.order_id or "", path)  # fmt: skip
    return "  ".join(word for word in words if word)
