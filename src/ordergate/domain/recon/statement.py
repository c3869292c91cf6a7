"""What a broker tells of the account, and what we hold against it."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.identifiers import order_id_of
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO, is_sane, is_sum
from ordergate.domain.orders.executions import Fill
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.reports import Executed

MOVED: Final = "the account moved while it was looked at"
"""Why a statement that is put together of several answers is not complete."""


class Statement(Struct, frozen=True, kw_only=True):
    """The account as the broker has it at one moment; None is what it does not tell.

    Attributes:
        complete: whether everything told is told whole; a statement that is not says nothing at all.
        why: it is not complete, for people.
        positions: signed, by symbol, in the instrument's unit; a symbol that is left out is flat.
        balances: money by currency.
        paid_in: of the balances, what was paid in and never traded, by currency.
        bound: what is lent, owed and staked, by position key; nothing is compared with it.
        working: client ids of the orders that work there.
        executions: all of the account since `executions_since`, busts and corrections too.
    """

    as_of: datetime
    complete: bool
    positions: Mapping[str, Decimal] | None = None
    balances: Mapping[str, Decimal] | None = None
    paid_in: Mapping[str, Decimal] | None = None
    bound: Mapping[str, Decimal] | None = None
    working: frozenset[str] | None = None
    executions: tuple[Executed, ...] | None = None
    executions_since: datetime | None = None
    why: str | None = None


def wrong_in(theirs: Statement) -> str | None:
    """What of a statement cannot be compared: a number that is none or too long, a time without offset; else None."""
    for name, number, is_right in _numbers(theirs):
        if not isinstance(number, Decimal) or not is_right(number):
            return f"{name} is {number}: no sane number"
    times = [("as_of", theirs.as_of), ("executions_since", theirs.executions_since)]
    times += [(f"the time of execution {one.exec_id}", one.time) for one in theirs.executions or ()]
    for name, time in times:
        if time is not None and (not isinstance(time, datetime) or time.tzinfo is None):
            return f"{name} is {time}: no time with an offset"
    return None


def _numbers(theirs: Statement) -> Iterator[tuple[str, Decimal, Callable[[Decimal], bool]]]:
    """Each with its name and what it must be: those of executions, which are multiplied, are as reports' are."""
    for what in ("positions", "balances", "paid_in", "bound"):
        for name, number in (getattr(theirs, what) or {}).items():
            yield f"{what} of {name}", number, is_sum
    for one in theirs.executions or ():
        for what in ("quantity", "price", "fee"):
            yield f"the {what} of execution {one.exec_id}", getattr(one, what), is_sane
        for delta in one.deltas or ():
            yield f"{delta.position_key} of execution {one.exec_id}", delta.amount, is_sane


def named_orders(theirs: Statement) -> tuple[frozenset[str], frozenset[str]]:
    """The orders that a statement names: by our ids, and those that only the broker's ids name."""
    said = theirs.executions or ()
    by_us = (name for one in said for name in (one.client_id, one.closes) if name is not None)
    named = {*(theirs.working or ()), *by_us}
    others = (
        one.broker_order_id for one in said if one.client_id is None and one.broker_order_id is not None
    )
    return frozenset(map(order_id_of, named)), frozenset(others)


class Tolerance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far two numbers may be apart: the greater of an absolute amount and a part of the broker's number."""

    absolute: Decimal = ZERO
    relative: Decimal = ZERO

    def covers(self, ours: Decimal, theirs: Decimal) -> bool:
        """Whether that is no difference."""
        return abs(ours - theirs) <= max(self.absolute, abs(theirs) * self.relative)


CENT = Tolerance(absolute=Decimal("0.01"))


class Terms(Struct, frozen=True, kw_only=True):
    """How an account is compared.

    Attributes:
        grace_s: for how long something under way can explain a difference.
        opening: money that was in the account before anything was traded, by currency, where the broker does not say.
    """

    quantities: Tolerance = Tolerance()
    balances: Tolerance = CENT
    grace_s: float = 10
    opening: Mapping[str, Decimal] = {}


class Ours(Struct, frozen=True, kw_only=True):
    """Our record of the account.

    Attributes:
        asked_after: the journal's last instant when the broker was asked; None for an empty one.
        orders: those that can still be at the broker, and those that its statement names.
        fills: the executions of those, by order and execution id, also those that do not count.
        positions, cash: what was traded there.
        touched: symbols in which something was booked, or an order ended, since the broker was asked.
        fresh: for too short a time that what is under way could have come.
        by_broker_id: the ids of orders by the broker's.
        elsewhere: orders that the statement names, and that are another broker's here.
        explained: the differences, by key with ours and theirs, of which a person has said that nothing is to be done.
    """

    asked_after: datetime | None
    orders: Mapping[str, Order]
    fills: Mapping[tuple[str, str], Fill]
    positions: Mapping[str, Decimal]
    cash: Mapping[str, Decimal]
    instruments: Mapping[str, Instrument]
    touched: frozenset[str] = frozenset()
    fresh: bool = False
    by_broker_id: Mapping[str, str] = {}
    elsewhere: frozenset[str] = frozenset()
    explained: Mapping[str, tuple[Decimal | None, Decimal | None]] = {}
