"""`ordergate doctor`, `config`, `migrate` and `quotes`."""

import json
import os
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from ordergate import __version__
from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals.database import (
    Lock,
    check_version,
    exists,
    path_of,
    pending,
    set_up,
    version_of,
)
from ordergate.adapters.journals.schema import REVISIONS
from ordergate.adapters.journals.sqlite import connect, store_error
from ordergate.adapters.secrets.audit_key import find_key
from ordergate.cli import terminal as t
from ordergate.config import Config
from ordergate.config import schema as config_schema
from ordergate.domain.errors import OrdergateError, StoreError
from ordergate.domain.market import Quote
from ordergate.domain.money import parse_decimal, parse_positive

config_app: Final = typer.Typer(help="Show the configuration and its schema.", no_args_is_help=True)
migrate_app: Final = typer.Typer(help="Bring a database to this program's schema.", no_args_is_help=True)
quotes_app: Final = typer.Typer(help="Set the paper venue's market by hand.", no_args_is_help=True)


@config_app.command("show")
def show(config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Show the configuration in force, defaults included."""
    with t.failing(as_json=as_json):
        values = msgspec.to_builtins(t.read_config(config))
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
def migrate_up(db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Run the migrations that a database needs."""
    with t.failing(as_json=as_json):
        path = _file(t.url_of(db, t.read_config(config)))
        lock = Lock(path)
        lock.take()
        try:
            before = _version(path) if exists(path) else None
            missing = list(pending(before))
            with closing(connect(path)) as connection:
                set_up(connection, path)
        finally:
            lock.release()
        if as_json:
            t.print_json({"from": before, "to": REVISIONS[-1], "ran": missing})
        else:
            t.out.print(f"{path}: {', '.join(missing)} run" if missing else f"{path}: nothing to do")


@migrate_app.command("status")
def migrate_status(db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Say which schema a database has and which migrations it needs."""
    with t.failing(as_json=as_json):
        path = _file(t.url_of(db, t.read_config(config)))
        if not exists(path):
            raise StoreError(f"there is no database at {path}")
        version = _version(path)
        needed = list(pending(version))
        if as_json:
            t.print_json({"version": version, "program": REVISIONS[-1], "pending": needed})
        else:
            t.out.print(f"{path}: schema {version or 'none'}, this program's is {REVISIONS[-1]}")
            t.out.print(f"pending: {', '.join(needed) or 'nothing'}")


def _version(path: Path) -> str | None:
    """The version of a database that this program can bring up; only reads."""
    with closing(connect(path, read_only=True)) as connection:
        version = version_of(connection, path)
    if version is not None and version not in REVISIONS:
        check_version(version, path)
    return version


def _file(url: str) -> Path:
    path = path_of(url)
    if path is None:
        raise StoreError("a database in memory has nothing to migrate: name a file")
    return path


@quotes_app.command("set")
def set_quote(
    symbol: str,
    bid: str,
    ask: str,
    bid_size: Annotated[str | None, typer.Option(help="None is unlimited.")] = None,
    ask_size: Annotated[str | None, typer.Option(help="None is unlimited.")] = None,
    broker: Annotated[str, typer.Option(help="Which paper venue.")] = "paper",
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
            bid_size=None if bid_size is None else parse_decimal(bid_size, "#/bid_size"),
            ask_size=None if ask_size is None else parse_decimal(ask_size, "#/ask_size"),
            pinned=True,
        )
        async with t.gate(db, config) as gate:
            await gate.set_quote(broker, quote)
        shown = {"symbol": symbol, "bid": bid, "ask": ask, "bid_size": bid_size, "ask_size": ask_size}
        t.print_json(shown) if as_json else t.out.print(f"{symbol}: {bid} / {ask}")

    t.run(main, as_json=as_json)


def doctor(db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Check this machine, the configuration and the database, and say what to mend."""
    with t.failing(as_json=as_json):
        settings = t.read_config(config)
        url = t.url_of(db, settings)
        checks = [_check(name, look, settings, url) for name, look in _CHECKS.items()]
        if as_json:
            t.print_json({"version": __version__, "checks": checks})
        else:
            rows = [(c["check"], c["state"], c["detail"]) for c in checks]
            t.print_table("Doctor", ("check", "state", "detail"), rows)
        if any(check["state"] == "bad" for check in checks):
            raise typer.Exit(t.Exit.ERROR)


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
        size = connection.execute("SELECT coalesce(max(size), 0) FROM head").fetchone()[0]
    return "ok", f"{path}: schema {REVISIONS[-1]}, {size} entries"


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
    path = path_of(url)
    key_file = Path(config.audit.key_file) if config.audit.key_file else None
    key = find_key(config.audit.origin, key_file, path)
    if key is None:
        return (
            "warn",
            "none yet: one is made beside the database; production wants its own (ORDERGATE_AUDIT_KEY)",
        )
    named = Path(key.source)
    if os.name == "posix" and named.exists() and stat.S_IMODE(named.stat().st_mode) & 0o077:
        return "bad", f"{named} can be read by others: chmod 600 {named}"
    if key.generated:
        return (
            "warn",
            f"{key.source} was made here: production wants its own (ORDERGATE_AUDIT_KEY or audit.key_file)",
        )
    return "ok", key.source


def _brokers(config: Config, _url: str) -> tuple[str, str]:
    return "ok", ", ".join(config.brokers)


_CHECKS: Final[dict[str, Callable[[Config, str], tuple[str, str]]]] = {
    "python": _python,
    "brokers": _brokers,
    "database": _database,
    "durability": _durability,
    "audit key": _audit_key,
}
