"""`ordergate nav`: what funds are worth, and what they have made or lost of late."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

import typer

from ordergate.adapters.clock import SystemClock
from ordergate.application.nav import navs
from ordergate.application.ports.journal import JournalReader
from ordergate.cli import terminal as t
from ordergate.cli.market import market
from ordergate.cli.places import ShardName
from ordergate.cli.reading import rate_cells
from ordergate.cli.risk import read_all
from ordergate.domain.errors import Code, NotFound, quoted

_COLUMNS: Final = (
    "fund", "nav", "realized", "unrealized", "day", "week", "month", "currency", "rate", "from", "as of",
)  # fmt: skip
_NUMBERS: Final = (*_COLUMNS[1:7], "rate")


def nav(
    fund: Annotated[str | None, typer.Argument(metavar="[FUND]", help="This fund alone.")] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show what funds are worth, and the profit of day, week and month: in US dollars and in the fund's currency.

    Quotes come from whoever serves the database; without them a fund that holds something cannot be valued.
    """

    async def main() -> None:
        now, at = SystemClock().now(), await market(db, config, shard)

        async def read(reader: JournalReader, _shard: str) -> list[dict[str, Any]]:
            return await navs(reader, at, now)

        every = await read_all(db, config, shard, read)
        found = [one for one in every if fund in (None, one["fund_id"])]
        if fund is not None and not found:
            known = ", ".join(sorted(one["fund_id"] for one in every)) or "none"
            raise NotFound(Code.UNKNOWN_FUND, f"{quoted(fund)} is no fund; there are {known}", "#/fund_id")
        t.print_json(found) if as_json else _print(found)

    t.run(main, as_json=as_json)


def _print(found: list[dict[str, Any]]) -> None:
    """A line for each currency, and why something is not known."""
    rows = [row for fund in found for row in _rows(fund)]
    t.print_table("Net asset value", _COLUMNS, rows, _NUMBERS)
    for fund in found:
        if fund["missing"]:
            t.say(
                f"{fund['fund_id']} cannot be valued in full. What is missing: {'; '.join(fund['missing'])}"
            )


def _rows(fund: dict[str, Any]) -> Iterator[tuple[str | None, ...]]:
    for name, currency in {"USD": "usd", fund["fund_currency"]: "fund"}.items():
        periods = (fund[period] for period in ("day", "week", "month"))
        yield (
            fund["fund_id"],
            *(t.short(fund[f"{amount}_{currency}"]) for amount in ("nav", "realized", "unrealized")),
            *(t.short(period[f"pnl_{currency}"]) if period else None for period in periods),
            name,
            *(rate_cells(fund["fund_rate"]) if name != "USD" else ("", "", "")),
        )
