"""Connections to PostgreSQL: how they are made, and what their errors mean to whoever runs ordergate."""

from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from ordergate.adapters.journals.location import locate, secrets_in
from ordergate.adapters.journals.passwords import password_of
from ordergate.domain.errors import StoreError

CONNECT_S: Final = 3.0
"""How long a server may take to answer a new connection."""
STATEMENT_S: Final = 30.0
"""How long a statement may take."""

FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises when the server cannot do something, or is not there (time-outs are OSError)."""

SETTINGS: Final[Mapping[str, str]] = {
    "application_name": "ordergate",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
    "jit": "off",
}
"""Those of a session that ordergate relies on, whatever the server, the database or the role has for others."""

_HINTS: Final[Mapping[str, str]] = {
    "28P01": "the password is wrong, or none was given: name it with database.password_secret or _file, or put it into "
    "PGPASSWORD, ~/.pgpass or the URL",
    "28000": "the user is not admitted: look into the server's pg_hba.conf, or name another in the URL",
    "3D000": "there is no such database: make it with `createdb`, or name another in the URL",
    "3F000": "there is no such schema: make it, or name another in the URL",
    "42501": "the user may not do that: make it the owner of the database, or grant it what is missing",
    "42P01": "a table is missing: ordergate migrate up",
    "53100": "the server's disk is full; nothing was written, free some space",
    "53300": "the server has no connection left: raise its max_connections, or end other clients",
    "55P03": "another client has it locked",
    "25006": "the server takes no writes: it is a standby (name its primary in the URL) or set to be read only",
    "57P01": "the connection was ended by the server",
    "57P02": "the server has crashed and starts again",
    "57P03": "the server is starting up, recovering or shutting down",
}

_MUTE: Final = {"could not write init file": "the server cannot write its own files; its disk may be full"}
"""What helps where PostgreSQL gives no code and no cause, by what it says."""


async def connect(url: str, settings: Mapping[str, str] | None = None) -> asyncpg.Connection:
    """A connection of its own.

    Raises:
        StoreError: there is none to be had; soon, even where the server is gone.
    """
    try:
        return await asyncpg.connect(url, **options(url, settings))
    except (*FAILURES, ValueError) as error:
        raise store_error(error, url) from None  # what asyncpg raises may name the password


def options(url: str, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """How every connection to that URL is made.

    No statement is too long to be kept prepared, and none is forgotten: a batch is a statement of several
    kilobytes, and there are few of them.
    """
    password = password_of(url)
    return {
        **({} if password is None else {"password": password}),
        "timeout": CONNECT_S,
        "command_timeout": STATEMENT_S,
        "server_settings": {**SETTINGS, **(settings or {})},
        "statement_cache_size": 500,
        "max_cached_statement_lifetime": 0,
        "max_cacheable_statement_size": 0,
    }


def is_ours(error: BaseException) -> bool:
    """Whether a value was none that the store can take: a mistake of whoever asked, not of the store."""
    if isinstance(error, asyncpg.DataError):  # both the client's and the server's
        return True
    return isinstance(error, asyncpg.InterfaceError) and isinstance(error, ValueError | TypeError)


def store_error(error: BaseException, url: str) -> StoreError:
    """What went wrong, where, and what would help; without the password."""
    where = locate(url).shown
    said = _without(secrets_in(url), str(error).strip() or type(error).__name__)
    if isinstance(error, asyncpg.PostgresError):
        hint = _HINTS.get(error.sqlstate or "") or _MUTE.get(said)
        lost = isinstance(error, asyncpg.PostgresConnectionError)
        hint = hint or ("the connection was lost" if lost else None)
        return StoreError(f"{where}: {hint} ({said})" if hint else f"{where}: {said}")
    if isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError):
        return StoreError(f"{where}: the connection cannot be used: {said}")
    if isinstance(error, TimeoutError):
        return StoreError(f"{where} does not answer: is the server there, and not overloaded?")
    if isinstance(error, OSError):
        return StoreError(f"{where} cannot be reached: {said}; is the server running, and the address right?")
    return StoreError(f"{where} is no address of a database: {said}; write postgresql://USER@HOST/DATABASE")


def _without(secrets: tuple[str, ...], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
