"""Commands that nobody waits for: `mts.v1.oms.VERB`, or `mts.v1.oms.VERB.fund.FUND`, kept by a stream."""

from typing import Final

from ordergate.api.gate import Gate
from ordergate.api.nats.commands import ASKING, VERBS, Asked, Done
from ordergate.api.nats.intake import Dead
from ordergate.api.nats.link import Message
from ordergate.api.nats.reading import json_of, origin_of, text_of
from ordergate.api.problems import Failure
from ordergate.protocols.subjects import text_of as text_of_token

_ROOT: Final = "mts.v1.oms"
SUBJECTS: Final = (f"{_ROOT}.*", f"{_ROOT}.*.fund.*")


class Ordering:
    """Takes commands from a stream."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def take(self, message: Message) -> str:
        """Does what a message asks for.

        Raises:
            Dead: it cannot be done.
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
            done = await VERBS[verb](self._gate, asked)
        except Failure as failed:
            if failed.problem.outcome == "rejected":
                return "refused"  # the journal has it
            raise
        return _said(verb, done, message)


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
