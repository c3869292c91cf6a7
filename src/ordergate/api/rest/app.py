"""The door as one ASGI application."""

import re
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI
from starlette.routing import Route, compile_path
from starlette.types import ASGIApp, Receive, Scope, Send

from ordergate import __version__
from ordergate.api.door import Door
from ordergate.api.gate import Gate
from ordergate.api.rest.endpoint import Endpoint, NotFoundEndpoint
from ordergate.api.rest.openapi import document
from ordergate.api.rest.operation import Operation
from ordergate.api.rest.routes import OPERATIONS
from ordergate.application.reloading import Reloading


class RestApp(FastAPI):
    """FastAPI without what this door does itself: reading, validating, catching, describing.

    Every endpoint answers its own errors, so no middleware stands between the server and the router; and a path
    without parameters needs no router either.
    """

    literal: Mapping[str, Endpoint] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, on the shortest way that there is."""
        endpoint = self.literal.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
        else:
            await endpoint(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The router alone."""
        return self.router

    def openapi(self) -> dict[str, Any]:
        """The document, made from the same list as the routes."""
        if self.openapi_schema is None:
            self.openapi_schema = document(OPERATIONS)
        return self.openapi_schema


def build(gate: Gate, reloading: Reloading | None = None) -> FastAPI:
    """The REST door of a running gate; `app.state.door.close()` ends its streams.

    Args:
        reloading: who keeps its configuration, if anybody does.
    """
    door = Door(gate, reloading)
    app: Final = RestApp(
        title="ordergate", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.state.door = door
    endpoints = _endpoints(door)
    app.literal = {path: endpoint for path, endpoint in endpoints.items() if "{" not in path}
    app.router.routes.extend(_route(path, endpoint) for path, endpoint in endpoints.items())
    app.router.default = NotFoundEndpoint(door)
    return app


def _route(path: str, endpoint: Endpoint) -> Route:
    """Names may have a line break in them: then it is the endpoint that says what is wrong with them."""
    route = Route(path, endpoint)
    route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
    return route


def _endpoints(door: Door) -> dict[str, Endpoint]:
    """By path. What `/v1/orders/batch` cannot do itself is meant for an order of that name."""
    paths: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, []).append(operation)
    endpoints = {path: Endpoint(door, path, operations) for path, operations in paths.items()}
    for path in (path for path in paths if "{" not in path):
        for other in (other for other in paths if "{" in other):
            match = compile_path(other)[0].match(path)
            if match is not None:
                endpoints[path].also(endpoints[other], match.groupdict())
    return endpoints
