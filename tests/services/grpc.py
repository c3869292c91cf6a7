"""A client of the gRPC door that knows nothing of it but what reflection says: no stub of ours is used.

Errors are read with google.rpc's own messages, as clients in any language do.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tests.services.server import Served, serving, serving_in

OMS = "ordergate.oms.v1.Oms"
REFLECTION = "grpc.reflection.v1.ServerReflection"


class Told(Exception):
    """A call that ended with a status other than OK."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.status: str = error.code().name
        self.words: str = error.details()
        self.trailing = dict(error.trailing_metadata() or ())
        super().__init__(self.status, self.words)
        packed = status_pb2.Status.FromString(self.trailing.get("grpc-status-details-bin", b""))
        self.info, self.wrong, self.retries = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            False,
        )
        for detail in packed.details:
            detail.Unpack(self.info)
            detail.Unpack(self.wrong)
            self.retries |= detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR)
        self.number: int = packed.code

    @property
    def code(self) -> str:
        return self.info.reason

    @property
    def fields(self) -> list[str]:
        return [one.field for one in self.wrong.field_violations]


class Client:
    """A channel, and the messages of the service at its other end."""

    def __init__(self, address: str) -> None:
        options = [("grpc.enable_http_proxy", 0), ("grpc.max_reconnect_backoff_ms", 500)]
        self.channel = grpc.insecure_channel(address, options=options)
        self.services: list[str] = []
        self.files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        self._pool = descriptor_pool.DescriptorPool()
        self.service = self._describe()

    def _reflect(self, **asked: str) -> reflection_pb2.ServerReflectionResponse:
        ask = self.channel.stream_stream(
            f"/{REFLECTION}/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        request = reflection_pb2.ServerReflectionRequest(**asked)
        return next(iter(ask(iter([request]), timeout=20, wait_for_ready=True)))

    def _describe(self) -> Any:
        listed = self._reflect(list_services="").list_services_response.service
        self.services = [one.name for one in listed]
        for service in self.services:
            found = self._reflect(file_containing_symbol=service).file_descriptor_response
            for data in found.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
                self.files[file.name] = file
        for file in self.files.values():
            self._pool.Add(file) if hasattr(self._pool, "Add") else self._pool.AddSerializedFile(
                file.SerializeToString()
            )
        return self._pool.FindServiceByName(OMS)

    def _method(self, name: str) -> Any:
        return self.service.methods_by_name[name]

    def message(self, method: str, fields: dict[str, Any]) -> bytes:
        """A request, as JSON has it."""
        kind = message_factory.GetMessageClass(self._method(method).input_type)
        made: bytes = json_format.ParseDict(fields, kind()).SerializeToString()
        return made

    def _read(self, method: str, data: bytes) -> dict[str, Any]:
        kind = message_factory.GetMessageClass(self._method(method).output_type)
        message = kind.FromString(data)
        shown: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
        return shown

    def send(
        self, method: str, data: bytes, timeout: float = 20, metadata: Iterable[tuple[str, str]] = ()
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The answer to these bytes, and the trailing metadata."""
        call = self.channel.unary_unary(f"/{OMS}/{method}")
        try:
            answer, state = call.with_call(data, timeout=timeout, metadata=tuple(metadata))
        except grpc.RpcError as error:
            raise Told(error) from None
        return self._read(method, answer), dict(state.trailing_metadata())

    def call(self, method: str, /, timeout: float = 20, **fields: Any) -> dict[str, Any]:
        """The answer to a request of these fields."""
        return self.send(method, self.message(method, fields), timeout)[0]

    def updates(self, timeout: float | None = 60, **fields: Any) -> "Updates":
        ask = self.channel.unary_stream(f"/{OMS}/StreamUpdates")
        return Updates(self, ask(self.message("StreamUpdates", fields), timeout=timeout))

    def health(self, service: str = OMS) -> str:
        ask = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = ask(health_pb2.HealthCheckRequest(service=service), timeout=20)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)

    def watch(self, service: str = OMS) -> Iterator[str]:
        ask = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        for answer in ask(health_pb2.HealthCheckRequest(service=service), timeout=60):
            yield health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


class Updates:
    """A stream that is open; raises Told where it ends with an error."""

    def __init__(self, client: Client, stream: Any) -> None:
        self._client, self._stream = client, stream

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            for data in self._stream:
                yield self._client._read("StreamUpdates", data)
        except grpc.RpcError as error:
            raise Told(error) from None

    def cancel(self) -> None:
        self._stream.cancel()


def _address(served: Served) -> str:
    assert served.process.stdout is not None
    line = served.process.stdout.readline()
    assert line.startswith("ordergate serves gRPC at "), line
    return line.split()[-1]


class Both:
    """A server with both doors, and a client of gRPC."""

    def __init__(self, served: Served) -> None:
        self.served, self.address = served, _address(served)
        self.client = Client(self.address)


@contextmanager
def serving_grpc(database: Path, *arguments: str) -> Iterator[Both]:
    with serving(database, "--grpc-port", "0", *arguments) as served:
        both = Both(served)
        try:
            yield both
        finally:
            both.client.channel.close()


@contextmanager
def serving_grpc_in(folder: Path, database: Path, *arguments: str) -> Iterator[Both]:
    with serving_in(folder, database, "--grpc-port", "0", *arguments) as served:
        both = Both(served)
        try:
            yield both
        finally:
            both.client.channel.close()
