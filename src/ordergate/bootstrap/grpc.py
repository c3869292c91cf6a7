"""The gRPC door and gates over gRPC, where the extra `grpc` is installed: it is imported only here, and late."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ordergate.application.ports.gates import RiskGate
from ordergate.config.risk import GateSection
from ordergate.domain.errors import OrdergateError

if TYPE_CHECKING:
    from ordergate.api.door import Door
    from ordergate.api.grpc.server import Server


class GrpcError(OrdergateError):
    """gRPC cannot be spoken here; the text says what is missing."""


def missing(error: ImportError | RuntimeError) -> GrpcError:
    """What to do about a part that could not be imported."""
    if isinstance(error, ImportError) and (error.name or "").startswith("ordergate"):
        return GrpcError(f"the gRPC stubs are not made ({error}): python hatch_build.py makes them")
    return GrpcError(f"gRPC needs more than is installed ({error}): pip install 'ordergate[grpc]'")


@asynccontextmanager
async def listening(host: str, port: int | None) -> AsyncIterator["Server | None"]:
    """A port for calls that is taken from here on, and let go of at the end; None without a port.

    Raises:
        GrpcError: the extra `grpc` is not installed.
        PortError: the port is another's.
    """
    if port is None:
        yield None
        return
    try:
        from ordergate.api.grpc.server import Server  # only here: most services never need it
    except (
        ImportError,
        RuntimeError,
    ) as error:  # stubs raise the latter where a library is older than they are
        raise missing(error) from error
    server = Server(host, port)
    try:
        yield server
    finally:
        await server.stop()


def grpc_gates(sections: Mapping[str, GateSection]) -> dict[str, RiskGate]:
    """The gates that are asked over gRPC; each is connected to when it is first asked.

    Raises:
        GrpcError: there are some, and the extra `grpc` is not installed.
    """
    named = {name: section for name, section in sections.items() if section.grpc is not None}
    if not named:
        return {}
    try:
        from ordergate.adapters.gates.grpc import GrpcGate
    except (ImportError, RuntimeError) as error:
        raise missing(error) from error
    return {name: GrpcGate(name, one.grpc or "", one.timeout_s) for name, one in named.items()}


@asynccontextmanager
async def answering(server: "Server | None", door: "Door") -> AsyncIterator[None]:
    """Calls are answered meanwhile, and those under way are finished; nothing, without a server."""
    if server is None:
        yield
        return
    await server.start(door)
    try:
        yield
    finally:
        await server.stop()
