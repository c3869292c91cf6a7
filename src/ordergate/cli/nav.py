"""`ordergate nav`: what funds are worth, and what they have made or lost of late."""

from typing import Annotated, Any, Final

import typer

from ordergate.adapters.clock import SystemClock
from ordergate.application.nav import navs
from ordergate.application.ports.journal import JournalReader
from ordergate.cli import terminal as t
from ordergate.cli.market import market
from ordergate.cli.places import ShardName
from ordergate.cli.risk import read_all
from ordergate.domain.errors import Code, NotFound, quoted

_COLUMNS: Final = ("fund", "nav USD", "realized", "unrealized", "day", "week", "month")
_NUMBERS: Final = _COLUMNS[1:]


def nav(
    fund: Annotated[str | None, typer.Argument(metavar="[FUND]", help="This fund alone.")] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show what funds are worth in US dollars, and the profit of day, week and month.

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
    rows = [
        (f["fund_id"], t.short(f["nav_usd"]), t.short(f["realized_usd"]), t.short(f["unrealized_usd"]),
         *(t.short(f[period]["pnl_usd"]) if f[period] else None for period in ("day", "week", "month")))
        for f in found
    ]  # fmt: skip
    t.print_table("Net asset value", _COLUMNS, rows, _NUMBERS)
    for one in found:
        for missing in one["missing"]:
            t.say(f"{one['fund_id']}: there is not {missing}")
