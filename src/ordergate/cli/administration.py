"""`ordergate doctor`, `config`, `migrate` and `quotes`."""

import asyncio
import json
import os
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from ordergate import __version__
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals.database import busy, version_of
from ordergate.adapters.journals.door import door_path, read_door
from ordergate.adapters.journals.location import (
    exists,
    locate,
    on_server,
    path_of,
    place_beside,
)
from ordergate.adapters.journals.schema import REVISIONS, check_version, pending
from ordergate.adapters.journals.sqlite_file import connect, store_error
from ordergate.adapters.journals.stores import bring_up, open_reader, version_at
from ordergate.adapters.journals.whole import check_whole
from ordergate.application.audit.ending import signs
from ordergate.application.ports.journal import Head
from ordergate.bootstrap.audit_key import find_audit_key
from ordergate.cli import terminal as t
from ordergate.cli.clickhouse_checks import CLICKHOUSE_CHECKS
from ordergate.cli.clickhouse_signal_checks import CLICKHOUSE_SIGNAL_CHECKS
from ordergate.cli.desk import open_desk
from ordergate.cli.door import look
from ordergate.cli.nats_checks import NATS_CHECKS
from ordergate.cli.places import ShardName, places
from ordergate.cli.secrets import SECRETS_CHECKS
from ordergate.cli.server_checks import SERVER_CHECKS
from ordergate.config import Config
from ordergate.config import schema as config_schema
from ordergate.config.changing import told_openly
from ordergate.config.secret_places import places_in
from ordergate.domain.errors import Code, Invalid, OrdergateError, StoreError
from ordergate.domain.market import Quote, check_sides
from ordergate.domain.money import parse_decimal, parse_positive

config_app: Final = typer.Typer(help="Show the configuration and its schema.", no_args_is_help=True)
migrate_app: Final = typer.Typer(help="Bring a database to this program's schema.", no_args_is_help=True)
quotes_app: Final = typer.Typer(help="Set the paper venue's market by hand.", no_args_is_help=True)


@config_app.command("show")
def show(config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Show what the file of the configuration says, defaults included, and what may be secret hidden."""
    with t.failing(as_json=as_json):
        values = msgspec.to_builtins(told_openly(t.read_config(config)))
        if as_json:
            t.print_json(values)
        else:
            t.print_table("Configuration", ("key", "value"), _flat(values))


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, dict) and value:
            yield from _flat(value, name)
        else:
            yield name, json.dumps(value)


@config_app.command("schema")
def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    with t.failing(as_json=True):
        t.print_json(config_schema())


@migrate_app.command("up")
def migrate_up(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """Run the migrations that a database needs; that of every shard, where none is named."""
    with t.failing(as_json=as_json):
        found = places(db, t.read_config(config), shard)
        told = {at.shard: _up(at.url, quiet=as_json) for at in found}
        if as_json:
            t.print_json({"shards": told} if len(told) > 1 else next(iter(told.values())))


def _up(url: str, *, quiet: bool) -> dict[str, Any]:
    shown = locate(url).shown
    before = asyncio.run(bring_up(url))
    missing = list(pending(before))
    if not quiet:
        t.out.print(f"{shown}: {', '.join(missing)} run" if missing else f"{shown}: nothing to do")
    return {"from": before, "to": REVISIONS[-1], "ran": missing}


@migrate_app.command("status")
def migrate_status(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """Say which schema a database has and which migrations it needs."""
    with t.failing(as_json=as_json):
        found = places(db, t.read_config(config), shard)
        told = {at.shard: _status(at.url, quiet=as_json) for at in found}
        if as_json:
            t.print_json({"shards": told} if len(told) > 1 else next(iter(told.values())))


def _status(url: str, *, quiet: bool) -> dict[str, Any]:
    version = asyncio.run(version_at(url))
    needed = list(pending(version))
    if not quiet:
        t.out.print(f"{locate(url).shown}: schema {version or 'none'}, this program's is {REVISIONS[-1]}")
        t.out.print(f"pending: {', '.join(needed) or 'nothing'}")
    return {"version": version, "program": REVISIONS[-1], "pending": needed}


@quotes_app.command("set")
def set_quote(
    symbol: str,
    bid: str,
    ask: str,
    bid_size: Annotated[str | None, typer.Option(help="None is unlimited.")] = None,
    ask_size: Annotated[str | None, typer.Option(help="None is unlimited.")] = None,
    broker: Annotated[str, typer.Option(help="Which paper venue.")] = "paper",
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Set bid and ask of a symbol on a paper venue; they hold until they are set again."""

    async def main() -> None:
        quote = Quote(
            symbol=symbol,
            time=SystemClock().now(),
            bid=parse_positive(bid, "#/bid"),
            ask=parse_positive(ask, "#/ask"),
            bid_size=_size(bid_size, "#/bid_size"),
            ask_size=_size(ask_size, "#/ask_size"),
            pinned=True,
        )
        check_sides(quote.bid, quote.ask)
        async with open_desk(db, config, shard) as desk:
            await desk.set_quote(broker, quote)
        shown = {"symbol": symbol, "bid": bid, "ask": ask, "bid_size": bid_size, "ask_size": ask_size}
        t.print_json(shown) if as_json else t.out.print(f"{symbol}: {bid} / {ask}")

    t.run(main, as_json=as_json)


def _size(text: str | None, pointer: str) -> Decimal | None:
    size = None if text is None else parse_decimal(text, pointer)
    if size is not None and size < 0:
        raise Invalid(Code.BAD_VALUE, f"{size} is below zero", pointer)
    return size


def doctor(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """Check this machine, the configuration and the database, and say what to mend."""
    with t.failing(as_json=as_json):
        found = places(db, t.read_config(config), shard)
        told = {at.shard: _checked(at.config, at.url) for at in found}
        checks = [check for each in told.values() for check in each]
        if as_json:
            shown = {"shards": told} if len(told) > 1 else {"checks": checks}
            t.print_json({"version": __version__, **shown})
        else:
            rows = [(name, c["check"], c["state"], c["detail"]) for name, each in told.items() for c in each]
            t.print_table("Doctor", ("shard", "check", "state", "detail"), rows)
        if any(check["state"] == "bad" for check in checks):
            raise typer.Exit(t.Exit.ERROR)


def _checked(config: Config, url: str) -> list[dict[str, str]]:
    wanted = {
        **_CHECKS,
        **(SERVER_CHECKS if on_server(url) else {}),
        **(SECRETS_CHECKS if places_in(config) else {}),
        **(NATS_CHECKS if config.nats.servers else {}),
        **(CLICKHOUSE_CHECKS if config.clickhouse.url is not None else {}),
        **(CLICKHOUSE_SIGNAL_CHECKS if config.clickhouse.signals.take else {}),
    }
    found = [_check(name, look, config, url) for name, look in wanted.items()]
    first: dict[str, str] = {}
    for check in found:
        said = first.setdefault(check["detail"], check["check"])
        if check["state"] == "bad" and said != check["check"]:
            check["detail"] = f"not known, see {said}"
    return found


def _check(
    name: str, look: Callable[[Config, str], tuple[str, str]], config: Config, url: str
) -> dict[str, str]:
    try:
        state, detail = look(config, url)
    except (OrdergateError, OSError) as error:
        state, detail = "bad", str(error)
    except sqlite3.Error as error:
        state, detail = "bad", str(store_error(error, path_of(url)))
    return {"check": name, "state": state, "detail": detail}


def _python(_config: Config, _url: str) -> tuple[str, str]:
    return "ok", f"{sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"


def _database(_config: Config, url: str) -> tuple[str, str]:
    path = path_of(url)
    if path is None or not exists(path):
        return "ok", f"{path or url}: none yet; the first order makes it"
    with closing(connect(path, read_only=True)) as connection:
        check_version(version_of(connection, path), path)
        head = Head(*(connection.execute("SELECT size, checkpoint FROM head").fetchone() or ()))
    check_whole(head, path)
    return "ok", f"{path}: schema {REVISIONS[-1]}, {head.size} entries"


def _service(_config: Config, url: str) -> tuple[str, str]:
    path = path_of(url)
    if path is None or not exists(path):
        return "ok", "nobody serves it"
    door = read_door(path)
    if not busy(path):
        if door is None:
            return "ok", "nobody serves it"
        left = f"{door_path(path)}, left by process {door.pid} when it was killed"
        return (
            "warn",
            f"nobody serves it, but there is {left}: harmless, the next `ordergate serve` replaces it",
        )
    if door is None:
        return "warn", "it is in use by a process that does not serve it: commands that write have to wait"
    wrong = asyncio.run(look(door))
    if wrong is not None:
        return "bad", f"it is in use, but the door {door.url} (process {door.pid}) cannot be used: {wrong}"
    return "ok", f"process {door.pid} serves it at {door.url}, and is ready"


def _durability(_config: Config, url: str) -> tuple[str, str]:
    folder = (path_of(url) or Path.cwd() / "x").absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return "bad", f"{folder} cannot be written: make it, or name another with --db"
    times = 20
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".ordergate-doctor") as file:
        start = time.perf_counter()
        for _ in range(times):
            file.write(b"x" * 512)
            file.flush()
            os.fsync(file.fileno())
        each = (time.perf_counter() - start) / times
    if each < 20e-6:
        return (
            "warn",
            f"fsync takes {each * 1e6:.0f} µs: too fast for a disk, it may not survive a loss of power",
        )
    return "ok", f"fsync takes {each * 1e3:.2f} ms in {folder}"


def _audit_key(config: Config, url: str) -> tuple[str, str]:
    place, server = place_beside(url), locate(url).kind == "server"
    key, head = find_audit_key(config, place), asyncio.run(_head_of(url))
    if key is None and head.size:
        return (
            "bad",
            "the key that signs this journal is not here: name it (ORDERGATE_AUDIT_KEY or audit.key_*)",
        )
    if key is None:
        where = f"in {place.parent}" if place and server else "beside the database"
        return "warn", f"none yet: one is made {where}; production wants its own (ORDERGATE_AUDIT_KEY)"
    named = Path(key.source)
    if os.name == "posix" and named.exists() and stat.S_IMODE(named.stat().st_mode) & 0o077:
        return "bad", f"{named} can be read by others: chmod 600 {named}"
    if head.size and not signs(head, key.signer.verifier):
        return "bad", f"{key.source} is not the key that has signed the last checkpoint"
    if not key.generated:
        return "ok", key.source
    nodes = ", and nodes on other machines need it too" if server else ""
    return (
        "warn",
        f"{key.source} was made here{nodes}: production wants its own (ORDERGATE_AUDIT_KEY or audit.key_file)",
    )


async def _head_of(url: str) -> Head:
    """Of the journal; an empty one where there is none yet, or none that can be read, as another check tells."""
    try:
        reader = await open_reader(url)
    except StoreError:
        return Head()
    try:
        return await reader.head()
    finally:
        await reader.close()


def _brokers(config: Config, _url: str) -> tuple[str, str]:
    return "ok", ", ".join(config.brokers)


_CHECKS: Final[dict[str, Callable[[Config, str], tuple[str, str]]]] = {
    "python": _python,
    "brokers": _brokers,
    "database": _database,
    "service": _service,
    "durability": _durability,
    "audit key": _audit_key,
}
