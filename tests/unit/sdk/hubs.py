"""A hub without a network: answers as a test wants, in turn, and keeps what it was asked."""

import json
from collections.abc import Callable
from typing import Any

import httpx2

Say = Callable[[httpx2.Request], httpx2.Response]


def says(config: Any, version: Any = None, **more: Any) -> httpx2.Response:
    body = {"config": config, **more} | ({} if version is None else {"version": version})
    return httpx2.Response(200, json=body)


def operational(**keys: Any) -> dict[str, Any]:
    """The JSON of `section__key=value`."""
    found: dict[str, Any] = {}
    for name, value in keys.items():
        section, _, key = name.partition("__")
        found.setdefault(section, {})[key] = value
    return {"operational": found}


class Hub:
    """Answers with the first of `answers`, and with the last again and again; an exception is raised.

    Attributes:
        asked: method, path and body of each request.
    """

    def __init__(self, *answers: httpx2.Response | Exception | Say) -> None:
        self.answers, self.asked = list(answers), list[tuple[str, str, Any]]()
        self.transport = httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content) if request.content else None
        self.asked.append((request.method, request.url.path, body))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer(request) if callable(answer) else answer
