"""`ordergate shards` and `ordergate funds move`."""

from typing import Annotated, Any, Final

import msgspec
import typer

from ordergate.adapters.journals.location import exists, locate, place_beside, safe_to_show
from ordergate.adapters.journals.stores import version_at
from ordergate.application.entry import Origin
from ordergate.bootstrap import move_fund
from ordergate.bootstrap.sources import as_kept
from ordergate.cli import terminal as t
from ordergate.cli.desk import principal
from ordergate.cli.places import Place, opened, places

funds_app: Final = typer.Typer(help="Move funds from shard to shard.", no_args_is_help=True)


def shards(config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """List the shards: where each is, its log, its funds, and how long its journal is."""

    async def main() -> None:
        settings = t.read_config(config)
        found = [await _shown(at) for at in places(None, settings)] if settings.shards else []
        if as_json:
            t.print_json(found)
            return
        rows = [(s["shard"], s["database"], s["origin"], ", ".join(s["funds"]), s["entries"]) for s in found]
        t.print_table("Shards", ("shard", "database", "origin", "funds", "entries"), rows, ("entries",))

    t.run(main, as_json=as_json)


async def _shown(at: Place) -> dict[str, Any]:
    return {
        "shard": at.shard,
        "database": safe_to_show(at.url),
        "origin": at.config.audit.origin,
        "funds": list(at.config.funds),
        "entries": await _entries(at),
    }


async def _entries(at: Place) -> int | None:
    """How long the journal is; None where there is none yet."""
    found = locate(at.url)
    if found.kind == "memory" or (found.path is not None and not exists(found.path)):
        return None
    if found.kind == "server" and await version_at(at.url) is None:
        return None
    async with opened(at) as reader:
        return (await reader.head()).size


@funds_app.command("move")
def move(
    fund: Annotated[str, typer.Argument(metavar="FUND")],
    to: Annotated[str, typer.Option("--to", metavar="SHARD", help="The shard that it moves to.")],
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Move a fund to the shard that the configuration has for it; run again, it completes what was cut off."""

    async def main() -> None:
        origin = Origin(actor="cli", principal=principal(), source="cli")
        first = places(None, t.read_config(config))[0]
        moved = await move_fund(as_kept(config, place_beside(first.url)), fund, to, origin)
        if as_json:
            t.print_json(msgspec.to_builtins(moved))
            return
        if moved.done_before:
            t.out.print(f"{fund} is in {to} already: nothing to do")
            return
        t.out.print(
            f"{fund} has moved from {moved.source} to {to}: {moved.parts} parts, {moved.keys} idempotency keys",
            soft_wrap=True,
        )
        t.out.print(
            f"what left stands in {moved.end.origin}, root {moved.end.root} over {moved.end.size} entries",
            soft_wrap=True,
        )

    t.run(main, as_json=as_json)
