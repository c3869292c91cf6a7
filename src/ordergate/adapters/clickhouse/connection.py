"""The connection to ClickHouse: made when somebody first needs it, and again after whatever went wrong.

The library's calls block, so each is made in one thread of the connection's own, with a deadline. A call that blows it
is left to itself with its thread and its connection: what it sent may have arrived.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from msgspec import Struct

from ordergate.adapters.clickhouse.target import CONNECT_S, ClickHouseError, Target, check_library
from ordergate.adapters.clickhouse.thread import CallThread

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

T = TypeVar("T")
_MOST_SAID: Final = 400
_NOT_OPENED: Final = "Unable to open the chdb engine"
_STRANGE: Final = "{} gives an answer that is not ClickHouse's: nothing is known to be done"
_ROW_SETTINGS: Final[Mapping[str, Any]] = {
    "date_time_input_format": "best_effort",
    "input_format_skip_unknown_fields": 0,
    "async_insert": 0,
}
"""A column that is not there is an error; an insert is answered when it is stored."""
_log = structlog.get_logger("ordergate.clickhouse")


class Answer(Struct, frozen=True):
    """What a query gave.

    Attributes:
        columns: names.
        types: ClickHouse's, such as `Nullable(Decimal(38, 18))`.
        rows: Decimal, int, float, str, bool, None, ...; times are naive and in UTC.
    """

    columns: tuple[str, ...]
    types: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


class Connection:
    """To one database; a call at a time."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._client: Client | None = None
        self._thread: CallThread | None = None
        self._turn = asyncio.Lock()

    @property
    def shown(self) -> str:
        """Where it goes, without password."""
        return self._target.shown

    async def command(
        self, sql: str, settings: Mapping[str, Any] | None = None, parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Runs a statement that gives nothing; `parameters` as for `query`.

        Raises:
            ClickHouseError: the server cannot be reached, or did not run it, as far as is known.
        """
        given, bound = dict(settings or {}), dict(parameters or {})
        await self._call(lambda client: self._check(client.command(sql, parameters=bound, settings=given)))

    async def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Answer:
        """The answer to a query, whole.

        Args:
            parameters: values for `{name:Type}` in it, bound by the server.

        Raises:
            ClickHouseError: the server cannot be reached, or gives none.
        """

        def ask(client: "Client") -> Answer:
            found = client.query(sql, parameters=dict(parameters or {}))
            types = tuple(one.name for one in found.column_types)
            if not types:  # no row, or no answer at all
                self._check(found)
            return Answer(tuple(found.column_names), types, found.result_rows)

        return await self._call(ask)

    async def insert(self, table: str, rows: bytes) -> None:
        """Inserts rows, one JSON object a line; a decimal as text, a time in ISO 8601. All or, of one block, none.

        Raises:
            ClickHouseError: the server did not take them, as far as is known.
        """
        given: dict[str, Any] = {"insert_block": rows, "fmt": "JSONEachRow", "settings": dict(_ROW_SETTINGS)}
        await self._call(lambda client: self._check(client.raw_insert(table, **given)))

    def _check(self, answer: object) -> None:
        """Raises ClickHouseError unless the server itself says that a statement was run: it names the query then.

        The library takes any answer of status 200 for that, also what something on the way there says.
        """
        summary = getattr(answer, "summary", None)  # else it is text
        if summary is None or (self._target.interface != "chdb" and not summary.get("query_id")):
            raise ClickHouseError(_STRANGE.format(self.shown))

    async def _call(self, job: Callable[["Client"], T]) -> T:
        async with self._turn:
            if self._thread is None:
                check_library(self._target)
                self._thread = CallThread("ordergate-clickhouse")
            begun = asyncio.wrap_future(self._thread.begin(lambda: job(self._connected())))
            begun.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # looked at
            try:
                await asyncio.wait({begun}, timeout=self._target.timeout_s + CONNECT_S)
            except asyncio.CancelledError:
                self._let_go()
                raise
            if not begun.done():
                self._let_go()
                raise ClickHouseError(
                    f"{self.shown} does not answer: nothing within {self._target.timeout_s:g} s"
                )
            try:
                return begun.result()
            except (
                Exception
            ) as error:  # the library raises many kinds, and what rubbish makes it stumble over
                self._let_go()
                # from None: what it went through has the password at hand
                raise _refused(error, self._target) from None

    def _connected(self) -> "Client":
        """The client; in the thread."""
        client = self._client
        if client is None:
            import clickhouse_connect  # only here: most gates never need it

            _hush()
            client = self._client = clickhouse_connect.get_client(**self._target.options())
        return client

    def _let_go(self) -> None:
        """The next call has another connection."""
        client, self._client = self._client, None
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.leave(lambda: _close(client))

    async def close(self) -> None:
        """Lets go; whoever asks again gets a new connection."""
        async with self._turn:
            self._let_go()


def _hush() -> None:
    """What it logs is raised, too: it goes where its reader wants it, and not to standard error by itself."""
    logger = logging.getLogger("clickhouse_connect")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())


def _close(client: "Client | None") -> None:
    if client is not None:
        try:
            client.close()
        except Exception as error:
            _log.debug("a connection was not closed", error=repr(error))


def _refused(error: Exception, target: Target) -> ClickHouseError:
    if isinstance(error, ClickHouseError):
        return error
    shown = target.shown
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    if isinstance(inner, OSError):  # the library's own words have addresses of objects and numbers of queries
        return ClickHouseError(
            f"{shown} cannot be reached: {inner.strerror or str(inner) or type(inner).__name__}"
        )
    said = " ".join((str(error) or type(error).__name__).split())
    if target.interface == "chdb" and _NOT_OPENED in said:
        return ClickHouseError(f"{shown} cannot be opened: another process has it, or it cannot be written")
    if len(said) > _MOST_SAID:
        said = f"{said[:_MOST_SAID]}..."
    return ClickHouseError(f"{shown}: {said}", getattr(error, "code", None))
