"""A hub as a source of ordergate's own configuration."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from ordergate.adapters.config.answers import Answer, HubError, read_answer
from ordergate.adapters.config.http import Hub, asked
from ordergate.adapters.config.updates import follow
from ordergate.adapters.nats import Connection
from ordergate.application import tallying
from ordergate.application.ports.configuration import Snapshot, SourceError
from ordergate.domain.errors import OrdergateError

Translate = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a hub's document to a part of the configuration, in the shape of its file; raises OrdergateError."""
_log = structlog.get_logger("ordergate.hub")


class HubSource:
    """What a hub says of a service, as a part of the configuration.

    It is asked once each time: whoever keeps the configuration asks again. An update is a trigger alone: what counts is
    what the hub answers. What it has superseded itself is not taken.

    Args:
        updates: the connection over which updates come; None hears none. It is closed with the source.
    """

    name: Final = "hub"

    def __init__(self, hub: Hub, translate: Translate, updates: Connection | None = None) -> None:
        self._hub, self._translate, self._updates = hub, translate, updates
        self._newest: Answer | None = None

    async def fetch(self) -> Snapshot:
        """What the hub says now.

        Raises:
            SourceError: it is away, slow, or says what is no configuration of the service's, or an older one.
        """
        try:
            answer = await asked("config", self._hub.config)
            self._check_not_older(answer)
            values = self._translated(answer)
        except HubError as error:
            raise SourceError(str(error)) from error
        self._newest = answer
        return Snapshot(revision=answer.revision, values=values)

    def _check_not_older(self, answer: Answer) -> None:
        if self._newest is not None and answer.is_older_than(self._newest):
            tallying.hub["config", "older"] += 1
            raise HubError(
                "older",
                f"{self._hub.url}: version {answer.version} is older than {self._newest.version}, which came before: "
                "give what is to be in force a new version",
            )

    def _translated(self, answer: Answer) -> Mapping[str, Any]:
        try:
            return self._translate(answer.config)
        except OrdergateError as error:
            tallying.hub["config", "refused"] += 1
            raise HubError("refused", f"{self._hub.url}: version {answer.version}: {error}") from error

    async def watch(self, changed: Callable[[], None]) -> None:
        """Calls `changed` for each update that is not older than what was fetched; runs until it is canceled."""
        if self._updates is None:
            return

        async def heard(data: bytes) -> None:
            answer = read_answer(data, "an update")
            if answer.is_older_than(self._newest):
                raise HubError("older", f"an update: version {answer.version} is older than what is there")
            changed()

        await follow(self._updates, self._hub.service, heard)

    async def close(self) -> None:
        """Lets go of the connection."""
        if self._updates is not None:
            await self._updates.close()
