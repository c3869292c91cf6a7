"""From bytes on the wire to a method, and back: who asks, what goes wrong, and what is counted."""

import asyncio
import re
from contextlib import aclosing
from time import perf_counter
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from ordergate.api import problems
from ordergate.api.door import Door
from ordergate.api.grpc import statuses
from ordergate.api.grpc.calls import Call, principal_of, read
from ordergate.api.grpc.methods import METHODS, Method, Updates
from ordergate.api.problems import DoorCode, Failure, Problem, failure, problem
from ordergate.oms.v1 import oms_pb2 as pb

SERVICE: Final = pb.DESCRIPTOR.services_by_name["Oms"].full_name
_REQUEST_ID: Final = "x-request-id"
_FORM: Final = re.compile(r"[!-~]{1,128}")
_BAD_REQUEST_ID: Final = "is not 1 to 128 printable ASCII characters without spaces"
_REPLAYED: Final = ("idempotent-replayed", "true")


class Service:
    """The methods of `Oms` on one door."""

    def __init__(self, door: Door) -> None:
        self._door, self._updates = door, Updates(door)
        self._under_way: set[asyncio.Task[Any]] = set()

    def handlers(self) -> Any:
        """As a server takes them: bytes in, bytes out, so that what cannot be read is answered here too."""
        methods = {
            method.name: grpc.unary_unary_rpc_method_handler(self._answering(method)) for method in METHODS
        }
        methods[self._updates.name] = grpc.unary_stream_rpc_method_handler(self._stream)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def _answering(self, method: Method) -> Any:
        async def answer(data: bytes, context: Any) -> bytes:
            return await self._answer(method, data, context)

        return answer

    async def _answer(self, method: Method, data: bytes, context: Any) -> bytes:
        began, request_id = perf_counter(), self._request_id(context)
        try:
            call = self._call(method.request, data, context, request_id, about_orders=method.about_orders)
            shown = await self._finished(method, call)
            written: bytes = method.answer(**shown).SerializeToString()
        except asyncio.CancelledError:  # its caller has gone, or waits no longer
            self._door.metrics.called(method.name, "CANCELLED", perf_counter() - began)
            raise
        except Exception as error:
            told = problems.of_error(error, about_orders=method.about_orders)
            await self._fail(method.name, told, error, context, request_id, began)
            raise
        replayed = (_REPLAYED,) if call.replayed else ()
        context.set_trailing_metadata(((_REQUEST_ID, request_id), *replayed))
        self._door.metrics.called(method.name, "OK", perf_counter() - began)
        return written

    async def _finished(self, method: Method, call: Call) -> dict[str, Any]:
        """The answer. What has begun is finished, even where nobody waits for it any more."""
        task = asyncio.ensure_future(method.handler(self._door, call))
        self._under_way.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits has it; where nobody does any more, it is of no use

    async def _stream(self, data: bytes, context: Any) -> None:
        began, request_id, name = perf_counter(), self._request_id(context), self._updates.name
        counted = False
        try:
            call = self._call(self._updates.request, data, context, request_id, about_orders=False)
            async with aclosing(self._updates.stream(call)) as updates:
                async for update in updates:
                    if not counted:
                        self._door.metrics.called(name, "OK", perf_counter() - began)
                    counted = True
                    await context.write(update)
        except Exception as error:
            told = problems.of_error(error, about_orders=False)
            await self._fail(name, told, error, context, request_id, None if counted else began)

    def _call(
        self, kind: type[Message], data: bytes, context: Any, request_id: str, *, about_orders: bool
    ) -> Call:
        if self._door.closing:
            outcome = {"outcome": "not_sent", "retry": "same_key"} if about_orders else {}
            raise Failure(problem(503, DoorCode.NOT_READY, "the service is closing", **outcome))  # type: ignore[arg-type]
        metadata = dict(context.invocation_metadata())
        if metadata.get(_REQUEST_ID, request_id) != request_id:
            raise failure(400, DoorCode.BAD_PARAMETER, _BAD_REQUEST_ID, parameter=_REQUEST_ID)
        return Call(read(kind, data), principal_of(metadata), request_id)

    def _request_id(self, context: Any) -> str:
        given = dict(context.invocation_metadata()).get(_REQUEST_ID)
        return given if given and _FORM.fullmatch(given) else self._door.new_request_id()

    async def _fail(
        self, name: str, told: Problem, error: Exception, context: Any, request_id: str, began: float | None
    ) -> None:
        """Ends the call with the status of a problem; of a stream that has begun, nothing is counted again."""
        if told.code == DoorCode.INTERNAL_ERROR:
            problems.log_unexpected(error, request_id)
        status = statuses.status_of(told)
        if began is not None:
            self._door.metrics.called(name, status.name, perf_counter() - began)
        trailing = ((_REQUEST_ID, request_id), (statuses.DETAILS, statuses.details_of(told, request_id)))
        await context.abort(status, statuses.message_of(told), trailing)
