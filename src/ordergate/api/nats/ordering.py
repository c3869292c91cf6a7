"""Commands that nobody waits for: `mts.v1.oms.VERB`, or `mts.v1.oms.VERB.fund.FUND`, kept by a stream."""

from datetime import timedelta
from typing import Final

from ordergate.api.gate import Gate
from ordergate.api.nats.commands import ASKING, VERBS, Asked, Done
from ordergate.api.nats.intake import Dead, NotNow
from ordergate.api.nats.link import Message
from ordergate.api.nats.reading import json_of, origin_of, text_of
from ordergate.api.problems import Failure
from ordergate.domain.errors import NotFound
from ordergate.domain.times import format_time
from ordergate.protocols.subjects import text_of as text_of_token

_ROOT: Final = "mts.v1.oms"
_LOOKS: Final = 3
"""For an order that a command names."""
SUBJECTS: Final = (f"{_ROOT}.*", *(f"{_ROOT}.{verb}.fund.*" for verb in VERBS))
"""None of them is one of what goes out below the same root, such as `mts.v1.oms.orders.created.fund.FUND`."""


class Ordering:
    """Takes commands from a stream.

    Args:
        most_s: an order that was asked for longer ago is not made.
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
            if verb == "submit" and self._gate.clock.now() - message.at > self._most:
                await self._check_known(asked, message)
            done = await VERBS[verb](self._gate, asked)
        except NotFound as missing:
            if message.deliveries < _LOOKS:  # what makes the order may be taken by another node just now
                raise NotNow(str(missing)) from missing
            raise
        except Failure as failed:
            if failed.problem.outcome == "rejected":
                return "refused"  # the journal has it
            raise
        return _said(verb, done, message)

    async def _check_known(self, asked: Asked, message: Message) -> None:
        """Raises Dead unless it made its order in time, and only the acknowledgement was lost."""
        if not (await VERBS["preview"](self._gate, asked)).replayed:
            detail = f"it is of {format_time(message.at)}: after {self._most.total_seconds():g} s it makes no order"
            raise Dead("command_too_old", detail)


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
