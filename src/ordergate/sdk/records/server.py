"""Records in PostgreSQL: how it is connected to, and what its errors mean.

A URL means what it means of a journal, as far as it goes: one host, TLS by `sslmode`, and the variables `PGUSER`,
`PGPASSWORD`, `PGSSLMODE` and `PGSSLROOTCERT` for what it leaves out.
"""

import getpass
import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, ProgrammingError

from ordergate.adapters.journals.location import locate
from ordergate.application.ports.secrets import Secret
from ordergate.domain.errors import StoreError

ANSWER_S: Final = 30.0
"""How long the server may be silent: it is taken for lost then."""

_PORT: Final = 5432
_SETTINGS: Final[Mapping[str, str]] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "client_encoding": "UTF8",
    "default_transaction_isolation": "read committed",
}
"""Those of a session that the records rely on, whatever the server, the database or the role has for others."""

_KNOWN: Final = (
    "host", "port", "user", "password", "dbname", "application_name", "sslmode", "sslrootcert", "sslcert", "sslkey",
)  # fmt: skip
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_KINDS: Final[Mapping[str, type[DBAPIError]]] = {
    "22": DataError,
    "23": IntegrityError,
    "42": ProgrammingError,
}
"""By the class of the SQLSTATE; all else is the server's trouble."""
_MAY_NOT: Final = "42501"
_LOST: Final = ("08", "57P")


def server_engine(url: str, **options: Any) -> sa.Engine:
    """An engine for a database on a server; connects when it is first used.

    Args:
        options: of `sqlalchemy.create_engine`.

    Raises:
        StoreError: the URL says what is not understood here, or the driver is not installed. So do connections that
            are not to be had.
    """
    given = _arguments(url)
    shown = sa.URL.create(
        "postgresql+pg8000",
        username=given["user"],
        host=given["host"],
        port=given["port"],
        database=given["database"],
    )
    try:
        made = sa.create_engine(
            shown, creator=partial(_connect, locate(url).shown, given), pool_pre_ping=True, **options
        )
    except ModuleNotFoundError as missing:
        raise StoreError(
            f"records in PostgreSQL need {missing.name}: pip install 'ordergate[records]'"
        ) from missing
    sa.event.listen(made, "handle_error", _tell)
    return made


def _connect(shown: str, given: Mapping[str, Any]) -> Any:
    import pg8000
    import scramp

    try:
        return _connection_type()(**{**given, "password": given["password"].reveal()})
    except (pg8000.Error, scramp.ScramException, OSError) as error:
        because = f" ({error.__cause__})" if isinstance(error.__cause__, OSError) else ""
        raise StoreError(f"the records at {shown} cannot be reached: {_said(error)}{because}") from None


@cache
def _connection_type() -> Any:
    """pg8000's, but that a lost connection is one wherever it is noticed, and is closed without a word."""
    import pg8000

    class Connection(pg8000.Connection):  # type: ignore[misc, unused-ignore]
        def handle_messages(self, context: Any) -> None:
            try:
                super().handle_messages(context)
            except OSError as error:
                raise pg8000.InterfaceError(f"network error: {error}") from error

        def close(self) -> None:
            with suppress(pg8000.InterfaceError, OSError):
                super().close()

    return Connection


def _arguments(url: str) -> dict[str, Any]:
    """What pg8000 is to be given, the password still hidden."""
    parts, shown = urlsplit(url), locate(url).shown
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(query.keys() - set(_KNOWN))
    if unknown:
        raise StoreError(
            f"{shown}: {unknown[0]} is not known of records: leave it out; there are {', '.join(_KNOWN)}"
        )
    hosts = parts.netloc.rpartition("@")[2]
    host = unquote(parts.hostname or "") or query.get("host", "")
    if "," in hosts + host:
        raise StoreError(f"{shown}: records have one host: name the one that takes writes")
    port = int(parts.port or query.get("port") or _PORT)
    user = unquote(parts.username or "") or query.get("user") or os.environ.get("PGUSER") or getpass.getuser()
    socket = host.startswith("/")
    return {
        "user": user,
        # A server that asks for none takes an empty one; pg8000 fails at none.
        "password": Secret(
            unquote(parts.password or "") or query.get("password") or os.environ.get("PGPASSWORD", "")
        ),
        "database": unquote(parts.path.lstrip("/")) or query.get("dbname") or user,
        "host": None if socket else host or "localhost",
        "port": port,
        "unix_sock": f"{host}/.s.PGSQL.{port}" if socket else None,
        "ssl_context": False if socket else _tls(shown, query),
        "timeout": ANSWER_S,
        "application_name": query.get("application_name") or "ordergate",
        "startup_params": dict(_SETTINGS),
    }


def _tls(shown: str, query: Mapping[str, str]) -> ssl.SSLContext | bool | None:
    """False is never, None where the server offers it; else it must be, and is checked as the context says."""
    mode = query.get("sslmode") or os.environ.get("PGSSLMODE") or "prefer"
    if mode not in _SSL_MODES:
        raise StoreError(f"{shown}: sslmode is {mode!r}: there are {', '.join(_SSL_MODES)}")
    if mode == "disable":
        return False
    certificate, roots = query.get("sslcert"), query.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    if mode in ("allow", "prefer") and not certificate:
        return None
    try:
        context = ssl.create_default_context(cafile=None if roots == "system" else roots)
        context.check_hostname = mode == "verify-full"
        if mode not in ("verify-ca", "verify-full") and not (mode == "require" and roots):  # as libpq
            context.verify_mode = ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(certificate, query.get("sslkey"))
    except OSError as error:
        raise StoreError(f"{shown}: a certificate or key cannot be used: {error.strerror or error}") from None
    return context


def _tell(context: sa.engine.ExceptionContext) -> None:
    """pg8000 calls nearly all that a server says a mistake of who asked, and shows it as a mapping."""
    error = context.original_exception
    code = _fields(error).get("C", "")
    if not code:
        return
    if code.startswith(_LOST):
        context.is_disconnect = True
    kind = OperationalError if code == _MAY_NOT else _KINDS.get(code[:2], OperationalError)
    statement = context.statement
    raise kind(
        statement, context.parameters, type(error)(_said(error)), connection_invalidated=context.is_disconnect
    )


def _said(error: BaseException) -> str:
    fields = _fields(error)
    if not fields:
        return str(error)
    detail = f": {fields['D']}" if "D" in fields else ""
    return f"{fields.get('M', 'it gives no reason')}{detail} ({fields.get('C', '')})"


def _fields(error: BaseException) -> Mapping[str, str]:
    first = error.args[0] if error.args else None
    return first if isinstance(first, dict) else {}
