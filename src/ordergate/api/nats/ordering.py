"""Commands that nobody waits for: `mts.v1.oms.VERB`, or `mts.v1.oms.VERB.fund.FUND`, kept by a stream."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from msgspec.structs import replace

from ordergate.api.gate import Gate
from ordergate.api.nats.commands import ASKING, VERBS, Asked, Done
from ordergate.api.nats.link import Message
from ordergate.api.nats.reading import json_of, origin_of, text_of
from ordergate.api.nats.sequence import check_newest, is_done
from ordergate.api.problems import Failure
from ordergate.api.taking import Dead, NotNow
from ordergate.domain.errors import Code, Conflict, Invalid, NotFound, OrdergateError
from ordergate.domain.identifiers import parse_order_id
from ordergate.domain.times import format_time
from ordergate.protocols.subjects import text_of as text_of_token

_ROOT: Final = "mts.v1.oms"
_LOOKS: Final = 3
"""For an order that a command names."""
_TRIES: Final = 5
"""To replace an order that changes meanwhile."""
SUBJECTS: Final = (f"{_ROOT}.*", *(f"{_ROOT}.{verb}.fund.*" for verb in VERBS))
"""None of them is one of what goes out below the same root, such as `mts.v1.oms.orders.created.fund.FUND`."""


class Ordering:
    """Takes commands from a stream.

    Args:
        most_s: an order that was asked for longer ago is not made, and a replace not done.
    """

    def __init__(self, gate: Gate, most_s: int) -> None:
        self._gate, self._most = gate, timedelta(seconds=most_s)

    async def take(self, message: Message) -> str:
        """Does what a message asks for.

        Raises:
            Dead: it cannot be done.
            NotNow: it names an order that may be on its way.
            Refused, Failure: it cannot be read.
            StoreError, OutcomeUnknown: not now.
        """
        verb, fund = _read(message.subject)
        if verb in ASKING:
            reason = f"{verb} has an answer, and nobody waits for it: ask ordergate.v1.cmd.FUND.order.{verb}"
            raise Dead("no_reply", reason)
        text = text_of(message.data)
        asked = Asked(body=json_of(text), text=text, origin=origin_of(message), fund=fund)
        try:
            done = await self._done(verb, asked, message)
        except NotFound as missing:
            if message.deliveries < _LOOKS:  # what makes the order may be taken by another node just now
                raise NotNow(str(missing)) from missing
            raise
        except Failure as failed:
            if failed.problem.outcome == "rejected":
                return "refused"  # the journal has it
            raise
        return "replayed" if done is None else _said(verb, done, message)

    async def _done(self, verb: str, asked: Asked, message: Message) -> Done | None:
        """What became of it; None where it was done before, and only the acknowledgement was lost."""
        order_id = order_named(asked.body)
        if verb == "submit":
            if self._is_old(message) and not (await VERBS["preview"](self._gate, asked)).replayed:
                raise self._too_old(message, "makes no order")
        elif order_id is not None and await is_done(self._gate, order_id, message):
            return None
        elif verb == "replace":
            if self._is_old(message):
                raise self._too_old(message, "changes no order")
            if order_id is not None and asked.body.get("version") is None:
                return await self._replaced(asked, order_id, message)
        return await VERBS[verb](self._gate, asked)

    async def _replaced(self, asked: Asked, order_id: str, message: Message) -> Done:
        """Replaces the order as it is now, unless a later replace was faster; other nodes take the stream too."""
        for _ in range(_TRIES):
            version = (await self._gate.queries.order(order_id)).version
            await check_newest(self._gate, order_id, message)
            try:
                return await VERBS["replace"](
                    self._gate, replace(asked, body={**asked.body, "version": version})
                )
            except Conflict as conflict:
                if conflict.code is not Code.ORDER_VERSION:
                    raise
        raise NotNow(f"order {order_id} changes all the time")

    def _is_old(self, message: Message) -> bool:
        return self._gate.clock.now() - message.at > self._most

    def _too_old(self, message: Message, then: str) -> Dead:
        detail = f"it is of {format_time(message.at)}: after {self._most.total_seconds():g} s it {then}"
        return Dead("command_too_old", detail)


def lane_of(message: Message) -> str | None:
    """The order that a message names: what names one order is done in the stream's sequence."""
    try:
        return order_named(json_of(text_of(message.data)))
    except (OrdergateError, Failure):
        return None


def order_named(body: Any) -> str | None:
    """The order's id in a body; None where there is none, or none that can be."""
    if not isinstance(body, Mapping):
        return None
    try:
        return parse_order_id(body.get("order_id"), "#/order_id")
    except Invalid:
        return None


def _said(verb: str, done: Done, message: Message) -> str:
    if not done.replayed:
        return "done"
    if message.deliveries == 1:
        order_id = str(done.order["order_id"])
        raise Dead("repeated", f"the {verb} came before, and made order {order_id}", order_id)
    return "replayed"


def _read(subject: str) -> tuple[str, str | None]:
    """The verb and the fund, if it names one."""
    verb, *rest = subject.removeprefix(f"{_ROOT}.").split(".")
    fund = text_of_token(rest[1]) if rest else None
    if verb not in VERBS or (rest and fund is None):
        raise Dead("unknown_subject", f"there are {_ROOT}.VERB[.fund.FUND] with {', '.join(VERBS)}")
    return verb, fund
