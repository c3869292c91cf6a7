"""Where commands that write go: into the database, or, while it is served, through its door.

The lock of the operating system decides: whoever has it, has the database. What the file beside it says of a door
is a hint, and the door must prove that it is the one.
"""

import asyncio
import getpass
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from ordergate.adapters.journals.door import DoorFile, read_door
from ordergate.adapters.journals.location import path_of, place_beside
from ordergate.api import brokers
from ordergate.application.decide.context import OrderResult
from ordergate.application.engine import Command
from ordergate.application.entry import Origin
from ordergate.application.queries import show_order
from ordergate.bootstrap import Gate, Shards, open_any
from ordergate.bootstrap.sources import as_kept
from ordergate.cli import terminal as t
from ordergate.cli.door import served_by
from ordergate.cli.places import Place, only, places
from ordergate.cli.recon_desk import OwnRecon, ReconDesk
from ordergate.cli.risk_desk import OwnRisk, RiskDesk
from ordergate.domain.errors import Invalid, StoreBusy
from ordergate.domain.identifiers import parse_name
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, SubmitOrder

PATIENCE_S: Final = 2.0
_PAUSE_S: Final = 0.05


class Desk(Protocol):
    """Takes orders; each is answered as programs are shown it, once its broker has answered or after that long.

    All of them raise Refused, StoreError, or OutcomeUnknown where something may have happened.
    """

    async def submit(self, command: SubmitOrder, raw: str, within_s: float) -> tuple[dict[str, Any], bool]:
        """Takes an order, as read and as written; also says whether the same one had come before."""
        ...

    async def cancel(self, command: CancelOrder, within_s: float) -> dict[str, Any]:
        """Cancels what is left of an order."""
        ...

    async def replace(self, command: ReplaceOrder, within_s: float) -> dict[str, Any]:
        """Changes an order's terms."""
        ...

    async def set_quote(self, broker: str, quote: Quote) -> None:
        """Sets the market of a paper venue."""
        ...

    async def reconnect(self, broker: str) -> dict[str, Any]:
        """Tries a login again that a broker has refused; how the broker is then."""
        ...

    @property
    def risk(self) -> RiskDesk:
        """Limits, the kill switch, approvals."""
        ...

    def recon(self, shard: str | None) -> ReconDesk:
        """Comparisons and breaks, of a shard where there are several."""
        ...


class OwnDesk:
    """The database, or those of all shards, opened by this process."""

    def __init__(self, gate: Gate | Shards, by: str) -> None:
        self._gate = gate
        self._origin = Origin(actor="cli", principal=by, source="cli")
        self.risk: RiskDesk = OwnRisk(gate, self._origin)

    def recon(self, _shard: str | None) -> ReconDesk:
        """See `Desk`; the one shard is what was opened."""
        return OwnRecon(self._gate, self._origin)

    async def submit(self, command: SubmitOrder, raw: str, within_s: float) -> tuple[dict[str, Any], bool]:
        """See `Desk`."""
        return await self._execute(command, within_s, raw)

    async def cancel(self, command: CancelOrder, within_s: float) -> dict[str, Any]:
        """See `Desk`."""
        return (await self._execute(command, within_s, command.raw()))[0]

    async def replace(self, command: ReplaceOrder, within_s: float) -> dict[str, Any]:
        """See `Desk`."""
        return (await self._execute(command, within_s))[0]

    async def set_quote(self, broker: str, quote: Quote) -> None:
        """See `Desk`."""
        await self._gate.set_quote(broker, quote)

    async def reconnect(self, broker: str) -> dict[str, Any]:
        """See `Desk`."""
        return await brokers.reconnect(self._gate, broker)

    async def _execute(
        self, command: Command, within_s: float, raw: str | None = None
    ) -> tuple[dict[str, Any], bool]:
        result: OrderResult = await self._gate.execute(command, self._origin, raw)
        decision = result.decision
        if isinstance(command, ReplaceOrder) and decision is not None and decision.code is not None:
            raise t.RiskRefused(decision.code, decision.reason or "the change was refused")
        order = await self._gate.answered(result.order.order_id, within_s)
        return show_order(order), result.replayed


@asynccontextmanager
async def open_desk(
    db: str | None, config: Path | None, shard: str | None = None, by: str | None = None
) -> AsyncIterator[Desk]:
    """The database if it is free, else the door of whoever serves it; `by` says who asks.

    A database that is busy and has no door that answers is asked for again, for `PATIENCE_S`: another command may have
    it for a moment, or a service may be starting or ending.

    Raises:
        StoreBusy: then it is still busy.
        Invalid: `by` is no name.
    """
    settings = t.read_config(config)
    found = places(db, settings, shard)
    who = principal() if by is None else parse_name(by, "#/as")
    async with AsyncExitStack() as stack:
        yield await _nearest(stack, config, found, who)


async def _nearest(stack: AsyncExitStack, config: Path | None, found: Sequence[Place], by: str) -> Desk:
    now = asyncio.get_running_loop().time
    until = now() + PATIENCE_S
    while True:
        try:
            opened = open_any(as_kept(config, place_beside(found[0].url)), found[0].url, only(found))
            gate = await stack.enter_async_context(opened)
            return OwnDesk(gate, by)
        except StoreBusy as error:
            busy = error
        path, door = door_beside(found)
        if path is not None and door is not None:
            try:
                return await stack.enter_async_context(served_by(path, door, by))
            except StoreBusy as error:
                busy = error
        if now() >= until:
            raise busy
        await asyncio.sleep(_PAUSE_S)


def door_beside(found: Sequence[Place]) -> tuple[Path | None, DoorFile | None]:
    """The door that the file beside a database names; one service serves all shards."""
    for at in found:
        path = path_of(at.url)
        door = None if path is None else read_door(path)
        if door is not None:
            return path, door
    return None, None


def principal() -> str:
    """As whom doors know the user: the login name, or `local` where there is none that can stand in a journal."""
    try:
        return parse_name(getpass.getuser(), "#/principal")
    except (Invalid, OSError, KeyError, ImportError):  # KeyError, ImportError: before Python 3.13
        return "local"
