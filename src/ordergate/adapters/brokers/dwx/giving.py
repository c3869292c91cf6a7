"""Orders given as commands, step by step, and what their verdicts make of them."""

from decimal import Decimal
from functools import partial
from typing import Final

from ordergate.adapters.brokers.dwx.following import Following, find
from ordergate.adapters.brokers.dwx.link import Link, Verdict
from ordergate.adapters.brokers.dwx.names import comment_of, magic_of
from ordergate.adapters.brokers.dwx.notebook import Known, Notebook, Step
from ordergate.adapters.brokers.dwx.outcomes import Closes, Opens
from ordergate.adapters.brokers.dwx.reading import Orders, Unreadable
from ordergate.adapters.brokers.dwx.settings import DwxSettings
from ordergate.adapters.brokers.dwx.terms import Refused, Terms, written
from ordergate.application.ports.brokers import Answer, Send, Withdraw
from ordergate.domain.errors import StoreError
from ordergate.domain.identifiers import order_id_of
from ordergate.domain.money import ZERO
from ordergate.domain.orders.reports import Outcome
from ordergate.domain.orders.states import OrderType, Side

_NEVER: Final = Decimal(-1)
"""Lots of which nothing can be closed: an order that waits is deleted whatever is said here, and one that has opened
a position under its ticket meanwhile is not closed by mistake."""
_UNKNOWN: Final = "the terminal is not seen to have it, and what became of it is not known"


class Giving:
    """Of one broker. Its methods are called with the link's lock held."""

    def __init__(self, settings: DwxSettings, notebook: Notebook, link: Link, following: Following) -> None:
        self._settings, self._notebook, self._following = settings, notebook, following
        self._link = link

    async def submit(self, send: Send, terms: Terms) -> Answer:
        """Gives an order."""
        try:
            if self._notebook.find(order_id_of(send.client_id)) is not None:
                return Answer(outcome=Outcome.DUPLICATE)
            await self._ready()
            known = self._planned(send, terms, await self._closings(send, terms))
            contents = [_content(known, step, terms) for step in known.steps]
            self._notebook.keep(known)
        except Refused as error:
            return Answer(outcome=Outcome.REJECTED, reason=str(error))
        except (Unreadable, StoreError) as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        return await self._carry_out(known, contents)

    async def cancel(self, withdraw: Withdraw) -> Answer:
        """Deletes an order that waits."""
        try:
            known = self._notebook.find(order_id_of(withdraw.order))
            if known is None:
                return Answer(outcome=Outcome.REJECTED, reason="no such order was given to the terminal")
            if known.over:
                return Answer(outcome=Outcome.REJECTED, reason="it is over at the terminal")
            await self._ready()
            orders = await self._link.look()
            known = self._notebook.find(known.name) or known  # what was seen meanwhile is noted there
            there = find(known, orders.rows)
            if there is None:
                return Answer(outcome=Outcome.NOT_SENT, reason=_UNKNOWN)
            if there[1].is_position:
                return Answer(outcome=Outcome.REJECTED, reason=f"it has opened position {there[0]}")
            content = written(there[0], _NEVER)
            known.canceled = True
            self._notebook.keep(known)
            verdict = await self._link.give(Closes(there[0]), "CLOSE_ORDER", content)
            if verdict.done:
                await self._deleted(known.name, verdict.reason)
        except (Unreadable, Refused) as error:
            return Answer(outcome=Outcome.NOT_SENT, reason=str(error))
        except StoreError as error:
            return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
        return Answer(outcome=_OUTCOMES[verdict.done, verdict.sent], reason=_reason(verdict))

    async def _deleted(self, name: str, reason: str) -> None:
        """Tells that an order is over, as the history has it; it is deleted where that does not show it."""
        try:
            history = await self._link.history()
            self._following.past(await self._link.look(), history)
        except Unreadable:
            return  # what is not open any more is asked for again
        known = self._notebook.find(name)
        if known is not None and not known.over:
            self._following.end(known, reason)

    async def _ready(self) -> None:
        """Raises Unreadable where no command would be read, or its reply could be another's."""
        if not self._link.alive:
            raise Unreadable("the expert advisor writes nothing: is it running?")
        await self._link.clear()

    def _planned(self, send: Send, terms: Terms, steps: list[Step]) -> Known:
        left = terms.lots - sum((step.lots for step in steps), ZERO)
        if left > 0:
            steps.append(Step(lots=left))
        return Known(
            name=order_id_of(send.client_id),
            client_id=send.client_id,
            symbol=send.symbol,
            theirs=terms.theirs,
            side=send.side,
            type=terms.type,
            quantity=send.quantity,
            unit=terms.unit,
            magic=magic_of(send.client_id),
            comment=comment_of(send.client_id),
            steps=steps,
        )

    async def _closings(self, send: Send, terms: Terms) -> list[Step]:
        """What a sell or a cover closes of what orders of ours have opened, the oldest first.

        Raises:
            Unreadable: it is not known what is left of one.
        """
        if send.side not in (Side.SELL, Side.COVER) or send.order_type is not OrderType.MARKET:
            await self._link.look()
            return []
        orders = await self._up_to_date()
        claimed = {
            step.closes: known.client_id
            for known in self._notebook.alive()
            for step in known.steps
            if step.state == "given"
        }
        steps: list[Step] = []
        left = terms.lots
        for held in self._notebook.held():
            if left <= 0 or held.symbol != send.symbol or held.sign == send.side.sign:
                continue
            row = orders.rows.get(held.ticket)
            if row is None or held.ticket in claimed:
                why = f"it is not known yet what became of position {held.ticket}, which this may close"
                if row is None:
                    raise Unreadable(why)
                by = claimed[held.ticket]
                raise Unreadable(
                    f"{why}: {by} was to close it; where it stays open, close it in the terminal"
                )
            lots = min(left, row.lots)
            steps.append(Step(lots=lots, closes=held.ticket))
            left -= lots
        return steps

    async def _up_to_date(self) -> Orders:
        """What is open, and noted of it what has become of the rest."""
        orders = await self._link.fresh()
        if self._following.see(orders):
            self._following.past(orders, await self._link.history())
        return orders

    async def _carry_out(self, known: Known, contents: list[str]) -> Answer:
        for number in range(len(known.steps)):
            try:
                step = known.steps[number]
                step.state = "given"
                self._notebook.keep(known)
                verdict = await self._do(known, step, contents[number])
                self._note(known, number, verdict)
            except StoreError as error:  # whether it was noted that it is given or not: nothing follows on it
                return Answer(outcome=Outcome.UNKNOWN, reason=str(error))
            if verdict.done:
                continue
            if number == 0 or (verdict.done is None and verdict.sent):
                outcome = _OUTCOMES[verdict.done, verdict.sent]
                return Answer(outcome=outcome, reason=_reason(verdict))
            break
        return Answer(outcome=Outcome.ACCEPTED, broker_order_id=known.broker_order_id)

    async def _do(self, known: Known, step: Step, content: str) -> Verdict:
        if step.closes is not None:
            return await self._link.give(Closes(step.closes), "CLOSE_ORDER", content)
        opens = Opens(known.theirs, known.type, step.lots)
        return await self._link.give(opens, "OPEN_ORDER", content, partial(self._ticket, known))

    async def _ticket(self, known: Known) -> str | None:
        there = find(known, (await self._link.look()).rows)
        return None if there is None else there[0]

    def _note(self, known: Known, number: int, verdict: Verdict) -> None:
        """Keeps what a step has come to, and drops those behind one that was not done."""
        fresh = self._notebook.find(known.name) or known  # what was seen meanwhile is noted there
        known.acknowledged, known.over, known.steps = fresh.acknowledged, fresh.over, fresh.steps
        step = known.steps[number]
        if verdict.done:
            step.state, step.ticket = "done", step.ticket or (verdict.ticket if step.closes is None else None)
            self._notebook.keep(known)
            return
        if step.told or step.state == "done":  # seen at the terminal all the same
            self._notebook.keep(known)
            return
        if verdict.done is False or not verdict.sent:
            step.state = "refused"
        for later in known.steps[number + 1 :]:
            later.state = "refused"
        if number == 0 and step.state == "refused":
            self._notebook.forget(known)
            return
        self._following.settle(known, verdict.reason)


_OUTCOMES: Final = {
    (True, True): Outcome.ACCEPTED,
    (False, True): Outcome.REJECTED,
    (None, True): Outcome.UNKNOWN,
    (None, False): Outcome.NOT_SENT,
}
"""By what is proven to be done, and whether anything was sent."""


def _content(known: Known, step: Step, terms: Terms) -> str:
    if step.closes is not None:
        return written(step.closes, step.lots)
    levels = (terms.stop_loss, terms.take_profit)
    return written(known.theirs, known.type, step.lots, terms.price, *levels, known.magic, known.comment, 0)


def _reason(verdict: Verdict) -> str | None:
    return None if verdict.done else verdict.reason
