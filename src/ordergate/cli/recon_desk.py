"""What commands ask of reconciliation: of the database that they have opened, or through the door of who serves it."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote

from ordergate.api import recon
from ordergate.application.entry import Origin
from ordergate.application.queries import Shown
from ordergate.bootstrap import Gate, Shards
from ordergate.cli.line import encoded
from ordergate.cli.risk_desk import Ask
from ordergate.domain.errors import Code, NotFound

_LOST = "look at the breaks: ordergate recon breaks"


class ReconDesk(Protocol):
    """Each method answers as programs are shown it, and raises as `Desk`."""

    async def compare(self, broker: str | None) -> list[Shown]:
        """Compares an account, or each."""
        ...

    async def assign(self, break_id: str, body: Mapping[str, Any]) -> Shown:
        """Says who looks into a break, as the door's body does."""
        ...

    async def resolve(self, break_id: str, body: Mapping[str, Any]) -> Shown:
        """Ends a break, as the door's body says."""
        ...


class OwnRecon:
    """Of a gate, or of the one shard, that this process has opened."""

    def __init__(self, gate: Gate | Shards, origin: Origin) -> None:
        self._gate, self._origin = gate, origin

    async def compare(self, broker: str | None) -> list[Shown]:
        """See `ReconDesk`."""
        return await recon.compare(self._gate, broker)

    async def assign(self, break_id: str, body: Mapping[str, Any]) -> Shown:
        """See `ReconDesk`."""
        return await recon.work_on(self._shard, recon.parse_assign(break_id, body), self._origin)

    async def resolve(self, break_id: str, body: Mapping[str, Any]) -> Shown:
        """See `ReconDesk`."""
        return await recon.work_on(self._shard, recon.parse_resolve(break_id, body), self._origin)

    @property
    def _shard(self) -> Gate:
        return next(iter(self._gate.shards.values()))


class ServedRecon:
    """Through a door; `shard` is needed there where it serves several."""

    def __init__(self, ask: Ask, shard: str | None) -> None:
        self._ask, self._at = ask, "" if shard is None else f"?shard={quote(shard, safe='')}"

    async def compare(self, broker: str | None) -> list[Shown]:
        """See `ReconDesk`."""
        body = {} if broker is None else {"broker": broker}
        found: list[Shown] = (await self._ask("POST", "/v1/recon/runs", body, "run it again"))["items"]
        return found

    async def assign(self, break_id: str, body: Mapping[str, Any]) -> Shown:
        """See `ReconDesk`."""
        return await self._ask("POST", f"{_path(break_id)}/assign{self._at}", body, _LOST)

    async def resolve(self, break_id: str, body: Mapping[str, Any]) -> Shown:
        """See `ReconDesk`."""
        return await self._ask("POST", f"{_path(break_id)}/resolve{self._at}", body, _LOST)


def _path(break_id: str) -> str:
    if not break_id or "/" in break_id:  # no break has such an id, and no path
        raise NotFound(Code.BREAK_NOT_FOUND, f"there is no break {break_id!r}", "#/break_id")
    return f"/v1/recon/breaks/{encoded(break_id)}"
