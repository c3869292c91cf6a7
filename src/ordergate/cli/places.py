"""Where commands find journals: one, or, where the configuration has shards, one for each."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer
from msgspec import Struct

from ordergate.adapters.journals.stores import open_reader
from ordergate.application.merging import MergedRows
from ordergate.application.ports.journal import JournalReader, RowReader
from ordergate.cli import terminal as t
from ordergate.config import Config

ShardName = Annotated[
    str | None, typer.Option("--shard", metavar="NAME", help="This shard alone, where there are shards.")
]


class Place(Struct, frozen=True, kw_only=True):
    """Where a journal is.

    Attributes:
        shard: its name; None where there are no shards.
        config: of this journal alone.
    """

    shard: str | None
    config: Config
    url: str

    @property
    def title(self) -> str:
        """What stands before a line about it; nothing where there is one journal."""
        return "" if self.shard is None else f"{self.shard}: "


def places(db: str | None, config: Config, shard: str | None = None) -> list[Place]:
    """All places, or the one that is named.

    Raises:
        InputError: a shard is named and there are none, or a database where there are shards.
        ConfigError: there is no such shard.
    """
    if not config.shards:
        if shard is not None:
            raise t.InputError(f"--shard: the configuration has no shards, {shard!r} is none")
        return [Place(shard=None, config=config, url=t.url_of(db, config))]
    check_no_db(db, config)
    named = config.shards if shard is None else (shard,)
    owns = {name: config.shard(name) for name in named}
    return [Place(shard=name, config=own, url=own.database.url) for name, own in owns.items()]


def check_no_db(db: str | None, config: Config) -> None:
    """Raises InputError where a database is named and the configuration has shards, which name theirs."""
    if config.shards and db is not None:
        known = ", ".join(config.shards)
        raise t.InputError(
            f"--db (or {t.DB_VARIABLE}) names one database, and the configuration has shards with one each: leave it "
            f"out; --shard chooses of {known}"
        )


def only(found: Sequence[Place]) -> str | None:
    """The shard, where a command is about one alone."""
    return found[0].shard if len(found) == 1 else None


def place(db: str | None, config: Config, shard: str | None) -> Place:
    """The one place that a command is about.

    Raises:
        InputError: there are several, and none is named.
    """
    found = places(db, config, shard)
    if len(found) > 1:
        known = ", ".join(config.shards)
        raise t.InputError(f"every shard has a journal of its own: name one with --shard; there are {known}")
    return found[0]


@asynccontextmanager
async def reading(db: str | None, config: Path | None, shard: str | None) -> AsyncIterator[RowReader]:
    """The tables, open for reading beside whoever writes them; those of several shards as one."""
    settings = t.read_config(config)
    async with AsyncExitStack() as stack:
        found = places(db, settings, shard)
        readers = [await stack.enter_async_context(opened(at)) for at in found]
        yield MergedRows(lambda: readers, lambda _fund: None) if len(readers) > 1 else readers[0]


@asynccontextmanager
async def opened(at: Place) -> AsyncIterator[JournalReader]:
    """A journal, open for reading."""
    reader = await open_reader(at.url)
    try:
        yield reader
    finally:
        await reader.close()
