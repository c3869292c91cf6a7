"""`ordergate records`: orders, their events and trades as tables for analysis, and as Parquet files."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from msgspec.structs import asdict

from ordergate.cli import terminal as t
from ordergate.cli.places import ShardName, places

app = typer.Typer(
    help="Orders, their events and trades as tables for analysis, and as Parquet.", no_args_is_help=True
)
RECORDS_VARIABLE: Final = "ORDERGATE_RECORDS"
To = Annotated[
    str,
    typer.Option(
        "--records",
        metavar="URL",
        help="Of the records, made where there are none: sqlite:///PATH or postgresql://USER@HOST/NAME.",
        envvar=RECORDS_VARIABLE,
    ),
]


@app.command()
def feed(
    records: To,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Bring the records up to the journal's present end; what has come already does not come again.

    The database may be served meanwhile.
    """
    from ordergate.sdk.records.feed import feed_from  # only here: other commands start without it

    with t.failing(as_json=as_json):
        found = places(db, t.read_config(config), shard)
        fed = []
        with _open(records):
            for at in found:
                with t.progress("Feeding") as advance:
                    fed.append(feed_from(at.url, advance))
        if as_json:
            t.print_json([asdict(one) for one in fed])
            return
        for at, one in zip(found, fed, strict=True):
            rows = f"{one.orders} orders, {one.events} events and {one.trades} trades written"
            t.out.print(
                f"{at.title}{one.next - one.first} entries, {one.next} so far: {rows}", soft_wrap=True
            )


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made where there is none.")],
    records: To,
    since: Annotated[
        dt.datetime | None,
        typer.Option("--since", metavar="DAY", formats=["%Y-%m-%d"], help="The first day, in UTC; else all."),
    ] = None,
    as_json: t.Json = False,
) -> None:
    """Write the records as Parquet, a file for each day: orders/date=2026-05-26/part.parquet and the like.

    A day's file is replaced, so that orders of it that have changed since are as they are now.
    """
    from ordergate.sdk.records.parquet import export as export_days

    with t.failing(as_json=as_json):
        with _open(records):
            files = export_days(directory, None if since is None else since.date())
        if as_json:
            t.print_json({"directory": str(directory), "files": [str(file) for file in files]})
        else:
            t.out.print(f"{len(files)} files below {directory}", soft_wrap=True)


@contextmanager
def _open(url: str) -> Iterator[None]:
    """The records, for the while."""
    from ordergate.sdk.records.database import close_engine, start_engine

    if not url:
        raise t.InputError(
            f"--records (or {RECORDS_VARIABLE}) is empty: write sqlite:///PATH or postgresql://USER@HOST/NAME"
        )
    start_engine(url)
    try:
        yield
    finally:
        close_engine()
