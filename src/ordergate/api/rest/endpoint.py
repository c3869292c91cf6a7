"""From a request on the wire to an operation, and back: who asks, what goes wrong, and what is counted."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Final

from ordergate.api import problems
from ordergate.api.door import Door
from ordergate.api.problems import DoorCode, failure
from ordergate.api.rest.call import Call, Gone, Receive, Reply, Scope, Send
from ordergate.api.rest.operation import Operation, Stream
from ordergate.domain.errors import Invalid
from ordergate.domain.identifiers import parse_name

_HOST: Final = re.compile(rb"(?i:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?")
_REQUEST_ID: Final = re.compile(rb"[!-~]{1,128}")
_OTHER_SITES: Final = (b"cross-site", b"same-site")
_NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
_NO_STORE: Final = (b"cache-control", b"no-store")
_RETRY: Final = (b"retry-after", str(problems.RETRY_AFTER_S).encode())
NOBODY: Final = "local"


class Endpoint:
    """All operations of one path, as an ASGI application."""

    def __init__(self, door: Door, path: str, operations: Sequence[Operation]) -> None:
        self._door, self._path = door, path
        self._path_params: Mapping[str, str] = {}
        self._operations: Mapping[str, Operation] = {o.method: o for o in operations}
        if "GET" in self._operations:
            self._operations = {**self._operations, "HEAD": self._operations["GET"]}
        self._allowed = ", ".join(self._operations)

    def also(self, other: "Endpoint", path_params: Mapping[str, str]) -> None:
        """Does what the other does too, where it cannot itself; `path_params` are what that takes from the path."""
        self._operations = {**other._operations, **self._operations}
        self._path_params = path_params

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        began, method = perf_counter(), scope["method"]
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else self._door.new_request_id()
        operation = self._operations.get(method)
        if self._path_params:
            scope["path_params"] = self._path_params
        try:
            reply = await self._reply(scope, receive, headers, request_id, operation)
        except Gone:
            return
        except Exception as error:
            reply = _problem_reply(error, scope, request_id, operation)
        status = 200 if isinstance(reply, Stream) else reply.status
        known = method if operation is not None else "other"
        self._door.metrics.answered(self._path, known, status, perf_counter() - began)
        with suppress(Gone):
            await _send(reply, request_id, send, head=method == "HEAD")

    async def _reply(
        self,
        scope: Scope,
        receive: Receive,
        headers: Mapping[bytes, bytes],
        request_id: str,
        operation: Operation | None,
    ) -> Reply | Stream:
        _check_caller(headers)
        if operation is None:
            raise self._not_allowed(scope["method"])
        return await operation.handler(
            self._door, Call(scope, receive, headers, _principal(headers), request_id)
        )

    def _not_allowed(self, method: str) -> problems.Failure:
        shown = method if method.isascii() and method.isalpha() else "that method"
        detail = f"{shown[:32]} is not for this resource; there are {self._allowed}"
        refused = failure(405, DoorCode.METHOD_NOT_ALLOWED, detail)
        return problems.Failure(refused.problem, ((b"allow", self._allowed.encode()),))


class NotFoundEndpoint(Endpoint):
    """Answers for paths that there are none of."""

    def __init__(self, door: Door) -> None:
        super().__init__(door, "(none)", ())

    def _not_allowed(self, method: str) -> problems.Failure:
        return failure(
            404, DoorCode.NO_SUCH_RESOURCE, "there is nothing here; /openapi.json lists what there is"
        )


def _check_caller(headers: Mapping[bytes, bytes]) -> None:
    """Keeps out what a web page in somebody's browser could send to this machine.

    Raises:
        Failure: the request comes from another origin, or under a name that is not this machine's own.
    """
    host, origin = headers.get(b"host"), headers.get(b"origin")
    if host is not None and not _HOST.fullmatch(host):
        detail = "this service answers under its loopback address alone, such as 127.0.0.1"
        raise failure(421, DoorCode.FOREIGN_HOST, detail, parameter="Host")
    if origin is not None and origin != b"http://" + (host or b""):
        detail = "requests of web pages from elsewhere are not taken"
        raise failure(403, DoorCode.FOREIGN_ORIGIN, detail, parameter="Origin")
    if headers.get(b"sec-fetch-site") in _OTHER_SITES:  # where a browser sends no origin, as for an image
        detail = "requests of web pages from elsewhere are not taken"
        raise failure(403, DoorCode.FOREIGN_ORIGIN, detail, parameter="Sec-Fetch-Site")
    given = headers.get(b"x-request-id")
    if given is not None and not _REQUEST_ID.fullmatch(given):
        detail = "is not 1 to 128 printable ASCII characters without spaces"
        raise failure(400, DoorCode.BAD_PARAMETER, detail, parameter="X-Request-Id")


def _principal(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"x-ordergate-principal")
    if given is None:
        return NOBODY
    try:
        return parse_name(given.decode("latin-1"), "X-Ordergate-Principal")
    except Invalid as error:
        raise failure(400, DoorCode.BAD_PARAMETER, error.detail, parameter="X-Ordergate-Principal") from None


def _problem_reply(error: Exception, scope: Scope, request_id: str, operation: Operation | None) -> Reply:
    about_orders = operation is not None and operation.about_orders
    named = () if operation is None else operation.in_url
    told = problems.of_error(error, about_orders=about_orders, parameters=named)
    if told.code == DoorCode.INTERNAL_ERROR:
        problems.log_unexpected(error, request_id)
    headers = error.headers if isinstance(error, problems.Failure) else ()
    if told.status == 503:
        headers = (*headers, _RETRY)
    return Reply(told.status, problems.encode(told, scope["path"], request_id), headers, problems.MEDIA_TYPE)


async def _send(reply: Reply | Stream, request_id: str, send: Send, *, head: bool) -> None:
    headers = [(b"content-type", reply.media_type), (b"x-request-id", request_id.encode()), _NOSNIFF]
    headers.extend(reply.headers)
    if isinstance(reply, Stream):
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if not head:
            await reply.run(send)
        await send({"type": "http.response.body", "body": b""})
        return
    headers.append((b"content-length", b"%d" % len(reply.body)))
    if not any(name == b"cache-control" for name, _value in reply.headers):
        headers.append(_NO_STORE)
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else reply.body})
