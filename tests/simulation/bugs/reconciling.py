"""Of the comparison with the exchange's account, and of orders whose time is over."""

from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from msgspec.structs import replace

from ordergate.application import dispatch, reconciliation
from ordergate.application.decide import reconciling
from ordergate.application.reconciliation import Reconciler
from ordergate.application.workers import Workers
from ordergate.domain import fold_recon
from ordergate.domain.book import Book
from ordergate.domain.breaks import ReportedBreaks
from ordergate.domain.orders.executions import Fill
from ordergate.domain.positions.ledger import Balance, deltas
from ordergate.domain.recon import comparing
from tests.simulation.bugs.registry import bug


@bug
def what_is_in_flight_is_not_excused() -> Iterator[Any]:
    """A difference counts at once, though something under way may explain it."""
    with patch.object(reconciliation, "certain", lambda found, _has_stood: (tuple(found), ())):
        yield


@bug
def incomplete_statement_read_as_whole() -> Iterator[Any]:
    """What an incomplete statement leaves out is taken not to be in the account."""
    ask = reconciliation.statement_of

    async def believing(broker: Any, since: Any) -> Any:
        async def statement(since: Any) -> Any:
            return replace(await broker.statement(since), complete=True)

        return await ask(SimpleNamespace(statement=statement), since)

    with patch.object(reconciliation, "statement_of", believing):
        yield


@bug
def corrected_without_another_look() -> Iterator[Any]:
    """What the first look finds is booked at once: nobody looks again or asks for the orders that may explain it."""

    async def hasty(self: Any, look: Any) -> bool:
        look.counted += look.perhaps
        await self._say(look)
        fetch = self._fetch
        self._fetch = _asks_nobody
        try:
            return bool(await correct(self, look))
        finally:
            self._fetch = fetch

    correct, follow = Reconciler._correct, Reconciler._follow_policy

    async def follow_hastily(self: Any, look: Any) -> bool:
        corrects = self._how.policy is reconciliation.Policy.CORRECT
        return await hasty(self, look) if corrects else await follow(self, look)

    with patch.object(Reconciler, "_follow_policy", follow_hastily):
        yield


async def _asks_nobody(_look: Any) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(), frozenset()


@bug
def fills_that_differ_explain_nothing() -> Iterator[Any]:
    """A fill that is missing is found in the position and in the money once more."""
    with patch.object(comparing._Moves, "add", lambda *_given: None):
        yield


@bug
def breaks_are_raised_by_every_look() -> Iterator[Any]:
    """A difference that is a break already is raised again by the next comparison."""
    with patch.object(reconciling, "_watched", lambda _ctx, _broker: []):
        yield


@bug
def adjusted_position_is_paid_for() -> Iterator[Any]:
    """A difference of a position that is booked moves the fund's money, too, which is a difference of its own."""
    book_fill = fold_recon.book_fill

    def paid(state: Book, fill: Fill, time: datetime, *, taken_back: bool) -> Fill:
        for delta in deltas(fill, fill.quantity, state.instruments.rows[fill.symbol])[1:]:
            key = fill.fund_id, delta.position_key
            before = state.balances.get(key)
            amount = delta.amount + (before.amount if before else 0)
            state.balances.put(Balance(fund_id=key[0], position_key=key[1], amount=amount))
        return book_fill(state, fill, time, taken_back=taken_back)

    with patch.object(fold_recon, "book_fill", paid):
        yield


@bug
def report_that_comes_again_is_another_break() -> Iterator[Any]:
    """What a venue says of a trade that cannot be is a break as often as it is delivered."""
    with patch.object(ReportedBreaks, "__contains__", lambda _self, _name: False):
        yield


@bug
def order_that_is_over_is_left_to_the_venue() -> Iterator[Any]:
    """Nobody cancels an order whose time is over at a venue that does not know its time in force."""
    start = Workers.__init__

    def trusting(self: Any, *given: Any) -> None:
        start(self, *given)
        self._emulated = lambda _broker, _tif: False

    with patch.object(Workers, "__init__", trusting):
        yield


@bug
def time_in_force_sent_as_it_is() -> Iterator[Any]:
    """A venue is sent a time in force that it does not know."""
    with patch.object(dispatch, "fitted", lambda send, *_given: send):
        yield
