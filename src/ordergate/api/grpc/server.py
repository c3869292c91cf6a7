"""The door on a port: calls, health and reflection, drained before it ends."""

import asyncio
from typing import Any, Final

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import Default
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from ordergate.api.door import Door
from ordergate.api.grpc.calls import LARGEST_MESSAGE
from ordergate.api.grpc.service import SERVICE, Service
from ordergate.api.problems import Failure
from ordergate.api.readiness import check_ready
from ordergate.domain.errors import OrdergateError

DRAIN_S: Final = 3
HEALTH_S: Final = 1.0
"""Between two looks at whether orders can be taken."""
MOST_CALLS: Final = 1_000
REFLECTION: Final = "grpc.reflection.v1.ServerReflection"
_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),  # else two processes could have one port
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_concurrent_streams", 200),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
)


class PortError(OrdergateError):
    """The port cannot be listened on."""


class Server:
    """A port that is taken, and answers between `start` and `stop`.

    Attributes:
        address: where it listens, such as 127.0.0.1:50051.

    Raises:
        PortError: somebody else listens there.
    """

    def __init__(self, host: str, port: int) -> None:
        shown = f"[{host}]" if ":" in host else host
        self._server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=MOST_CALLS)
        try:
            bound = self._server.add_insecure_port(f"{shown}:{port}")
        except RuntimeError as error:
            raise PortError(
                f"{host} port {port} cannot be listened on for gRPC: name another with --grpc-port"
            ) from error
        self.address = f"{shown}:{bound}"
        self._health: _Health | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self, door: Door) -> None:
        """Answers calls from now on."""
        self._health = _Health(door)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        handlers = [Service(door).handlers(), *_reflection()]
        self._server.add_generic_rpc_handlers(handlers)
        await self._server.start()
        self._watching = asyncio.get_running_loop().create_task(self._health.keep_telling())

    async def stop(self) -> None:
        """Takes no more calls, and gives those under way a moment to end."""
        if self._watching is not None and self._health is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            await self._health.enter_graceful_shutdown()
        await self._server.stop(DRAIN_S)


class _Health(health.aio.HealthServicer):  # type: ignore[misc]
    """Looks when it is asked, and once a second for those who watch."""

    def __init__(self, door: Door) -> None:
        super().__init__()
        self._door, self._watchers = door, 0

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """As the protocol has it."""
        await self._look()
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """As the protocol has it."""
        self._watchers += 1
        try:
            await self._look()
            await super().Watch(request, context)
        finally:
            self._watchers -= 1

    async def keep_telling(self) -> None:
        """Goes on until it is canceled."""
        while True:
            await asyncio.sleep(HEALTH_S)
            if self._watchers:
                await self._look()

    async def _look(self) -> None:
        status = health_pb2.HealthCheckResponse.SERVING
        try:
            await check_ready(self._door)
        except Failure:
            status = health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", SERVICE):
            await self.set(name, status)


def _reflection() -> list[Any]:
    """Reflection as version 1, and as the version before, which is the same by another name."""
    _describe_reflection()
    names = (SERVICE, health.SERVICE_NAME, REFLECTION, reflection.SERVICE_NAME)
    servicer = reflection.aio.ReflectionServicer(names)
    info = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [
        grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": info})
        for name in (REFLECTION, reflection.SERVICE_NAME)
    ]


def _describe_reflection() -> None:
    """Version 1 describes itself too; grpcio-reflection brings the version before alone."""
    before, name = "grpc.reflection.v1alpha", "grpc/reflection/v1/reflection.proto"
    try:
        Default().FindFileByName(name)
    except KeyError:
        described = FileDescriptorProto()
        reflection_pb2.DESCRIPTOR.CopyToProto(described)
        described.name, described.package = name, "grpc.reflection.v1"
        for message in described.message_type:
            for field in filter(lambda one: one.HasField("type_name"), message.field):
                field.type_name = field.type_name.replace(before, described.package)
        for method in described.service[0].method:
            method.input_type = method.input_type.replace(before, described.package)
            method.output_type = method.output_type.replace(before, described.package)
        Default().AddSerializedFile(described.SerializeToString())
