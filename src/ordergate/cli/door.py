"""The door of a served database, for commands: its answers become orders and errors as the gate itself gives them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from ordergate.adapters.journals.door import DoorFile, door_path
from ordergate.api.problems import HEADERS, DoorCode, Problem
from ordergate.cli import terminal as t
from ordergate.cli.line import Answer, BrokenOff, Line, NotReached, encoded
from ordergate.cli.recon_desk import ServedRecon
from ordergate.cli.risk_desk import ServedRisk
from ordergate.domain.errors import (
    AuditError,
    Code,
    Conflict,
    Invalid,
    NotFound,
    OrdergateError,
    OutcomeUnknown,
    Refused,
    StoreBusy,
    StoreError,
)
from ordergate.domain.market import Quote
from ordergate.domain.money import text
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, SubmitOrder
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.states import Phase

PROBE_S: Final = 5.0
ANSWER_S: Final = 30.0
_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.25
_CONFLICTS: Final = (Code.KEY_REUSED, Code.ORDER_VERSION, Code.LIMITS_VERSION, Code.INBOX_FULL)
_OF_RISK: Final = frozenset(RiskCode)
_FIELDS: Final = {header: field for field, header in HEADERS.items()}
_WAITING: Final = (Phase.READY, Phase.SENT, Phase.UNKNOWN)


class DoorError(OrdergateError):
    """The door of a served database refused a request for a reason of its own; nothing was done."""


def waits(order: dict[str, Any], phases: tuple[Phase, ...] = _WAITING) -> bool:
    """Whether a shown order has a request in one of those phases; as a rule, one without an answer."""
    return any(request.rpartition(":")[2] in phases for request in order["pending"])


@asynccontextmanager
async def served_by(database: Path, door: DoorFile, principal: str) -> AsyncIterator["ServedDesk"]:
    """The desk behind a door, once it has shown that it is the one that the file names.

    Raises:
        StoreBusy: it does not answer, or is another; nothing but the question was sent.
    """
    async with Line(door, principal) as line:
        wrong = await _stranger(line)
        if wrong is not None:
            raise StoreBusy(
                f"{database} is in use, and its door {door.url} (process {door.pid}, as {door_path(database)} says) "
                f"cannot be used: {wrong}. Nothing was sent: try again, or end the process that has the database"
            )
        yield ServedDesk(line)


async def look(door: DoorFile) -> str | None:
    """What is wrong with a door; None where it answers, is the right one, and is ready."""
    async with Line(door, "local") as line:
        wrong = await _stranger(line)
        if wrong is not None:
            return wrong
        try:
            answer = await line.ask("GET", "/ready", within_s=PROBE_S)
        except (NotReached, BrokenOff) as error:
            return str(error)
    told = _problem(answer)
    if told is not None:
        return told.detail
    return None if answer.status == 200 else f"it answers {answer.status} to GET /ready"


async def _stranger(line: Line) -> str | None:
    """Why this is not the door that the file names; None where it is."""
    try:
        answer = await line.ask("GET", "/health", within_s=PROBE_S)
    except (NotReached, BrokenOff) as error:
        return str(error)
    if not isinstance(answer.document, dict) or not isinstance(answer.document.get("instance"), str):
        return "another program answers there"
    if answer.document["instance"] != line.door.instance:
        return "it is the door of another database by now"
    return None


class ServedDesk:
    """Orders and quotes through the door."""

    def __init__(self, line: Line) -> None:
        self._line = line

    @property
    def risk(self) -> ServedRisk:
        """See `Desk`."""
        return ServedRisk(self.ask, self.place)

    def recon(self, shard: str | None) -> ServedRecon:
        """See `Desk`."""
        return ServedRecon(self.ask, shard)

    async def submit(self, _command: SubmitOrder, raw: str, within_s: float) -> tuple[dict[str, Any], bool]:
        """See `Desk`."""
        lost = "submit the same again: its key makes it the same order, and you see what became of it"
        return await self.place("POST", "/v1/orders", raw.encode(), lost, within_s)

    async def cancel(self, command: CancelOrder, within_s: float) -> dict[str, Any]:
        """See `Desk`."""
        raw = command.raw()
        body = None if raw is None else raw.encode()
        path = f"{_path_of(command.order_id)}/cancel"
        order, _ = await self.place("POST", path, body, _look_at(command.order_id), within_s)
        return order

    async def replace(self, command: ReplaceOrder, within_s: float) -> dict[str, Any]:
        """See `Desk`."""
        terms = {
            "quantity": command.quantity,
            "limit_price": command.limit_price,
            "stop_price": command.stop_price,
        }
        body = {name: text(value) for name, value in terms.items() if value is not None}
        seen = "*" if command.version is None else f'"{command.version}"'
        order, _ = await self.place(
            "PATCH",
            _path_of(command.order_id),
            msgspec.json.encode(body),
            _look_at(command.order_id),
            within_s,
            {"If-Match": seen},
        )
        return order

    async def set_quote(self, broker: str, quote: Quote) -> None:
        """See `Desk`."""
        values = {name: getattr(quote, name) for name in ("bid", "ask", "bid_size", "ask_size")}
        body = {name: text(value) for name, value in values.items() if value is not None}
        path = f"/v1/paper/quotes/{encoded(quote.symbol)}?broker={encoded(broker)}"
        lost = "set the quote again"
        await self.ask("PUT", path, body, lost)

    async def reconnect(self, broker: str) -> dict[str, Any]:
        """See `Desk`."""
        return await self.ask("POST", f"/v1/brokers/{encoded(broker)}/reconnect", {}, "try it again")

    async def get(self, path: str) -> dict[str, Any]:
        """The document at a path.

        Raises:
            Refused, StoreError: as `Desk`.
        """
        try:
            answer = await self._line.ask("GET", path, within_s=ANSWER_S)
        except (NotReached, BrokenOff) as error:
            raise StoreBusy(f"the door {self._line.door.url} does not answer: {error}") from error
        if answer.status != 200 or not isinstance(answer.document, dict):
            _refuse(answer, "ask again")
        return answer.document

    async def ask(
        self,
        method: str,
        path: str,
        body: Any,
        lost: str,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """The document that a request about risk is answered with; `lost` says what helps where none comes back.

        Raises:
            Refused, StoreError, OutcomeUnknown: as `Desk`.
        """
        answer = await self._write(method, path, msgspec.json.encode(body), lost, headers)
        if answer.status != 200 or not isinstance(answer.document, dict):
            _refuse(answer, lost)
        return answer.document

    async def place(
        self,
        method: str,
        path: str,
        body: bytes | None,
        lost: str,
        within_s: float,
        headers: dict[str, str] | None = None,
    ) -> tuple[dict[str, Any], bool]:
        """The order that a request leads to, once its broker has answered; and whether it was a replay."""
        answer = await self._write(method, path, body, lost, headers)
        order = _order(answer)
        if order is None:
            told = _problem(answer)
            if told is None or told.outcome != "rejected" or not isinstance(told.order_id, str):
                _refuse(answer, lost)
            order = await self._show(told.order_id)  # it is kept, as REJECTED
        return await self._answered(order, within_s), answer.replayed

    async def _write(
        self, method: str, path: str, body: bytes | None, lost: str, headers: dict[str, str] | None = None
    ) -> Answer:
        try:
            return await self._line.ask(method, path, body=body, headers=headers, within_s=ANSWER_S)
        except NotReached as error:
            raise StoreBusy(
                f"the door {self._line.door.url} was just closed: {error}. Nothing was sent: try again"
            ) from error
        except BrokenOff as error:
            raise OutcomeUnknown(
                f"it may or may not have happened: {error} at the door {self._line.door.url}; {lost}"
            ) from error

    async def _answered(self, order: dict[str, Any], within_s: float) -> dict[str, Any]:
        """The order, once no request of it waits for an answer, or after that long as it is then."""
        pause = _FIRST_PAUSE_S
        until = asyncio.get_running_loop().time() + within_s
        while waits(order) and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)
            order = await self._show(order["order_id"])
        return order

    async def _show(self, order_id: str) -> dict[str, Any]:
        lost = f"order {order_id} was taken; {_look_at(order_id)}"
        try:
            answer = await self._line.ask("GET", _path_of(order_id), within_s=ANSWER_S)
        except (NotReached, BrokenOff) as error:
            raise OutcomeUnknown(f"what became of it is not known: {error}; {lost}") from error
        order = _order(answer)
        if order is None:
            raise OutcomeUnknown(f"what became of it is not known: {_said(answer)}; {lost}")
        return order


def _look_at(order_id: str) -> str:
    return f"look at it: ordergate orders show {order_id}"


def _path_of(order_id: str) -> str:
    if not order_id or "/" in order_id:  # no order has such an id, and no path
        raise NotFound(Code.ORDER_NOT_FOUND, f"there is no order {order_id!r}", "#/order_id")
    return f"/v1/orders/{encoded(order_id)}"


def _order(answer: Answer) -> dict[str, Any] | None:
    """The order of an answer, where it is one."""
    order = answer.document
    if answer.status not in (200, 202) or not isinstance(order, dict):
        return None
    pending = order.get("pending")
    known = isinstance(order.get("order_id"), str) and isinstance(order.get("state"), str)
    return order if known and isinstance(pending, list) else None


def _problem(answer: Answer) -> Problem | None:
    try:
        return msgspec.convert(answer.document, Problem) if answer.status >= 400 else None
    except msgspec.ValidationError:
        return None


def _said(answer: Answer) -> str:
    told = _problem(answer)
    return (
        told.detail
        if told is not None
        else f"the door answered {answer.status}, and nothing that can be read"
    )


def _refuse(answer: Answer, lost: str) -> NoReturn:
    """Raises what a door refused as the gate itself would."""
    told = _problem(answer)
    if told is None:
        raise OutcomeUnknown(f"it may or may not have happened: {_said(answer)}; {lost}")
    if told.outcome == "unknown" or told.code == DoorCode.OUTCOME_UNKNOWN:
        raise OutcomeUnknown(f"{told.detail}; {lost}")
    if told.code == DoorCode.STORE_UNAVAILABLE:
        raise StoreError(told.detail)
    if told.code == DoorCode.JOURNAL_DAMAGED:
        raise AuditError(told.detail)
    raise _refusal(told)


def _refusal(told: Problem) -> OrdergateError:
    """A refusal of the gate: its class follows from its status, but for a few that are told otherwise there."""
    if told.code in _OF_RISK:
        return t.RiskRefused(told.code, told.detail)
    try:
        code = Code(told.code)
    except ValueError:
        return DoorError(told.detail)
    kind: type[Refused] = {404: NotFound, 409: Conflict}.get(told.status, Invalid)
    if code in _CONFLICTS:
        kind = Conflict
    about = next(iter(told.errors), None)
    if about is None:
        return kind(code, told.detail)
    pointer = about.pointer or f"#/{_FIELDS.get(about.parameter or '', about.parameter)}"
    return kind(code, about.detail, pointer)
