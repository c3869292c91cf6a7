"""`ordergate analytics backfill`: the tables in ClickHouse, made anew from the journal."""

from typing import Annotated, Any

import typer

from ordergate.adapters.outlets.clickhouse import Filled
from ordergate.bootstrap.clickhouse import backfill as fill_tables
from ordergate.cli import terminal as t
from ordergate.cli.places import Place, ShardName, opened, places


def backfill(
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also over the rows of another journal of this origin, which go."),
    ] = False,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Fill the tables in ClickHouse anew from the journal, also while it is served.

    Needed after an older copy of the database was restored, or where somebody has changed rows. Whoever asks meanwhile
    sees rows as they were or as they are.
    """

    async def main() -> None:
        settings = t.read_config(config)
        if settings.clickhouse.url is None:
            raise t.InputError(
                "clickhouse.url: the configuration names none, so there are no tables; see --config"
            )
        told = [await _filled(at, replace=replace) for at in places(db, settings, shard)]
        if as_json:
            t.print_json({"journals": told})
            return
        for one in told:
            rows = ", ".join(f"{count} {name}" for name, count in one["rows"].items()) or "nothing yet"
            t.out.print(f"{one['log']}: {rows}, as of entry {one['journal_index']}")

    t.run(main, as_json=as_json)


async def _filled(at: Place, *, replace: bool) -> dict[str, Any]:
    async with opened(at) as reader:
        with t.progress(f"{at.title}Writing rows") as advance:
            filled = await fill_tables(
                at.config, reader, replace=replace, progress=lambda done: advance(done, done)
            ) or Filled({}, -1)
    return {"log": at.config.audit.origin, "rows": filled.rows, "journal_index": filled.journal_index}
