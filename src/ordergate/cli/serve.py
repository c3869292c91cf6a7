"""`ordergate serve`: the service."""

import asyncio
import ipaddress
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ordergate.adapters.clock import SystemClock
from ordergate.adapters.journals.door import DoorFile, remove_door, write_door
from ordergate.adapters.journals.location import place_beside, safe_to_show
from ordergate.bootstrap import (
    Gate,
    all_reading_aside,
    check_clickhouse_in,
    check_nats_in,
    clickhouse_in,
    leave_to_itself,
    nats_in,
    open_any,
)
from ordergate.bootstrap.grpc import answering, listening
from ordergate.bootstrap.hub import in_register
from ordergate.bootstrap.reloading import Reloader, running
from ordergate.bootstrap.secrets import keeping_secrets
from ordergate.bootstrap.sources import begun
from ordergate.cli import terminal as t
from ordergate.cli.places import Place, ShardName, only, places
from ordergate.domain.errors import OrdergateError

if TYPE_CHECKING:
    from ordergate.api.grpc.server import Server as CallServer
    from ordergate.api.rest.server import Server

_BACKLOG: Final = 2_048
_LOCALHOST: Final = "127.0.0.1"


class ServeError(OrdergateError):
    """The service cannot listen where it was told to."""


def serve(
    host: Annotated[
        str | None, typer.Option(help="A loopback address; else as configured: 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0 takes a free one; else as configured: 8012.")
    ] = None,
    grpc_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="Serve gRPC there too; 0 takes a free one; else as configured: not."
        ),
    ] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
) -> None:
    """Serve orders over HTTP, and gRPC where it has a port, until SIGINT or SIGTERM."""
    with t.failing(as_json=False):
        settings = t.read_config(config)
        at = places(db, settings, shard)
        address = loopback(settings.server.host if host is None else host)
        listener = _listen(address, settings.server.port if port is None else port)
        with closing(listener), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            calls = settings.grpc.port if grpc_port is None else grpc_port
            runner.run(_serve(config, at, listener, calls))


def loopback(host: str) -> str:
    """The address of a host that only this machine can reach.

    Raises:
        ServeError: it is another's, or no address.
    """
    if host == "localhost":
        return _LOCALHOST
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise ServeError(f"{host!r} is no address: write 127.0.0.1, ::1 or localhost") from None
    if not address.is_loopback:
        raise ServeError(
            f"{host} can be reached from other machines, and whoever reaches this service may trade: there is no "
            "authentication yet. Listen on 127.0.0.1, ::1 or localhost"
        )
    return str(address)


def _listen(address: str, port: int) -> socket.socket:
    """A listening socket: taken before the database is touched."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere it would let two processes have one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise ServeError(
            f"{address} port {port} cannot be listened on: {reason}; name another with --port"
        ) from error
    return listener


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed; it does not exist for Windows."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(
    config: Path | None, at: Sequence[Place], listener: socket.socket, grpc_port: int | None
) -> None:
    from ordergate.api.rest.app import build  # only here: other commands need not wait for a web framework
    from ordergate.api.rest.server import Server, stopped_by_signals, told_by_signal

    address, place, clock = _url_of(listener), place_beside(at[0].url), SystemClock()
    # signals are caught until the gate is closed, but not while it is still opening
    async with begun(config, place, clock) as start:
        settings = start.config
        check_nats_in(settings, start.secrets)
        check_clickhouse_in(settings, start.secrets)
        with ExitStack() as signals:
            async with (
                listening(listener.getsockname()[0], grpc_port) as calls,
                keeping_secrets(settings, clock, start.secrets) as secrets,
                open_any(settings, at[0].url, only(at), address, secrets) as gate,
                all_reading_aside(gate),
            ):
                leave_to_itself()
                reloader = Reloader(gate, start, only(at))
                app = build(gate, reloader)
                door = DoorFile(url=address, pid=os.getpid(), instance=app.state.door.instance)
                server = Server(app, lambda: _say(door, _where(at), calls))
                signals.enter_context(stopped_by_signals(server.stop))
                with ExitStack() as doors:
                    for shard in gate.shards.values():
                        _stop_with(shard, server)
                        doors.enter_context(_door_file(shard.database, door))
                    async with (
                        answering(calls, app.state.door),
                        nats_in(settings, gate),
                        clickhouse_in(settings, gate),
                        in_register(settings, address),
                        running(reloader, settings.sources.check_s),
                    ):
                        signals.enter_context(told_by_signal(reloader.trigger))
                        await server.serve([listener])


def _where(at: Sequence[Place]) -> str:
    return f"shards {', '.join(str(place.shard) for place in at)}" if len(at) > 1 else safe_to_show(at[0].url)


def _say(door: DoorFile, url: str, calls: "CallServer | None") -> None:
    print(f"ordergate serves {door.url} on {url}", flush=True)  # noqa: T201
    if calls is not None:
        print(f"ordergate serves gRPC at {calls.address}", flush=True)  # noqa: T201


def _stop_with(gate: Gate, server: "Server") -> None:
    """A gate that fails ends the service; the error is raised where the gate is closed."""

    def ended(_task: asyncio.Task[Any]) -> None:
        server.stop()

    if gate.running is not None:
        gate.running.add_done_callback(ended)


@contextmanager
def _door_file(database: Path | None, door: DoorFile) -> Iterator[None]:
    """Says beside the database where its door is."""
    if database is None:
        yield
        return
    write_door(database, door)
    try:
        yield
    finally:
        remove_door(database, door)


def _url_of(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
