"""The connection to a NATS server: made when somebody first needs it, and again whenever it is lost."""

import asyncio
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import structlog
from msgspec import Struct

from ordergate.application.ports.secrets import Held
from ordergate.domain.errors import OrdergateError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

CONNECT_S: Final = 3.0
_CLOSE_S: Final = 1.0
_PAUSE_S: Final = 0.25
"""Between two tries to connect again."""
_MISSING: Final = "NATS needs nats-py: pip install 'ordergate[nats]'"
_log = structlog.get_logger("ordergate.nats")


class NatsError(OrdergateError):
    """The server cannot be reached, or did not take what it was given."""


def check_library() -> None:
    """Raises NatsError unless nats-py is installed; without loading it, which takes a while."""
    if find_spec("nats") is None:
        raise NatsError(_MISSING)


class Login(Struct, frozen=True, kw_only=True):
    """How a server is told who we are: a credentials file, a token, a name with a password, or nothing."""

    credentials: str | None = None
    token: Held | None = None
    username: str | None = None
    password: Held | None = None


class Connection:
    """To one server, or to one of a cluster's.

    Args:
        buffers: whether what is said while the connection is lost may wait until it is back; else that raises.
    """

    def __init__(
        self,
        servers: tuple[str, ...],
        login: Login = Login(),  # noqa: B008 (it is frozen)
        name: str = "ordergate",
        *,
        buffers: bool = True,
    ) -> None:
        self._servers, self._login, self._name, self._buffers = servers, login, name, buffers
        self._client: Client | None = None
        self._failed = ""  # why the last try to connect did
        self._turn = asyncio.Lock()

    @property
    def shown(self) -> str:
        """Where it goes, without passwords."""
        return ", ".join(server.rpartition("@")[2] for server in self._servers)

    async def client(self) -> "Client":
        """The connected client; the same one for all who ask, while it is not lost for good.

        Raises:
            NatsError: nats-py is not installed, or the server cannot be reached now.
        """
        async with self._turn:
            if self._client is None or self._client.is_closed:
                self._client = await self._connected()
        if not self._client.is_connected:
            why = f": {self._failed}" if self._failed else ""
            raise NatsError(f"the connection to {self.shown} is down{why}")
        return self._client

    async def stream(self) -> "JetStreamContext":
        """JetStream on the same connection. Raises as `client`."""
        return (await self.client()).jetstream()

    async def _connected(self) -> "Client":
        try:
            from nats.aio.client import Client  # only here: most gates never need it
            from nats.errors import UnexpectedEOF
        except ImportError as error:
            raise NatsError(_MISSING) from error
        client, self._failed = Client(), ""
        # behind a refusal the server hangs up, which says less
        vague = (ConnectionResetError, BrokenPipeError, UnexpectedEOF)

        async def noted(error: Exception) -> None:
            _log.debug("nats", error=repr(error))
            if not client.is_connected and not (self._failed and isinstance(error, vague)):
                self._failed = _reason(error)
            if client.is_connecting or client.is_reconnecting:
                _let_go(client)

        async def connected() -> None:
            self._failed = ""

        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect(
                    list(self._servers), **self._options(), error_cb=noted, reconnected_cb=connected
                )
        except Exception as error:  # the library raises many kinds
            await self._abandon(client)
            tried = (
                self._failed if isinstance(error, TimeoutError) else ""
            )  # ours, while the library tries on
            raise NatsError(f"{self.shown} cannot be reached: {tried or _reason(error)}") from error
        except BaseException:
            await self._abandon(client)
            raise
        return client

    def _options(self) -> dict[str, Any]:
        token, password = self._login.token, self._login.password
        return {
            **({} if self._buffers else {"pending_size": -1}),
            "name": self._name,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": _PAUSE_S,
            "connect_timeout": CONNECT_S,
            "ping_interval": 10,
            "user_credentials": self._login.credentials,
            "token": None if token is None else lambda: token().reveal(),
            "user": self._login.username,
            "password": None if password is None else lambda: password().reveal(),
        }

    async def _abandon(self, client: "Client") -> None:
        """Closes it, and waits no longer than so for that: it flushes first, to a server that may stand still."""
        closing = asyncio.ensure_future(client.close())
        for _ in range(2):
            await asyncio.wait({closing}, timeout=_CLOSE_S)
            if closing.done():
                break
            _let_go(client)
            closing.cancel()
        if closing.done() and not closing.cancelled() and (error := closing.exception()) is not None:
            _log.debug("a connection was not closed", error=repr(error))

    async def close(self) -> None:
        """Lets go; whoever asks for it again gets a new one."""
        client, self._client = self._client, None
        if client is not None:
            await self._abandon(client)


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def _let_go(client: "Client") -> None:
    """Closes the socket at once: that of a try to connect that failed, which the library forgets; or of the end.

    The library has no public way to its socket; without this, a server that stands still costs one each few seconds.
    """
    transport: Any = getattr(client, "_transport", None)
    writer = getattr(transport, "_io_writer", None)
    if writer is not None:
        writer.transport.abort()
    elif transport:
        transport.close()
