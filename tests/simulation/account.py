"""The account as the exchange keeps it, and its statements.

Three parties move it: the venue, whose trades are in its own record; the back office, which takes trades back, corrects
them and executes more than was ordered; and what is hidden, of which no report and no lookup ever tells.
"""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordergate.adapters.brokers.paper import PaperBroker
from ordergate.domain.instruments import built_in
from ordergate.domain.orders.reports import Executed
from ordergate.domain.orders.states import ExecutionKind
from ordergate.domain.recon.statement import Statement


class Hidden(Struct, frozen=True):
    """What nobody is told but in statements.

    Attributes:
        trade: where something was traded; None where money was moved.
        named: whether statements name the trade, or only what is held since.
        key: of the break that it has to lead to.
    """

    time: datetime
    key: str
    trade: Executed | None = None
    named: bool = False
    currency: str = ""
    amount: Decimal = Decimal(0)


class Account:
    """Of one run.

    Args:
        sums_alone: whether statements say how much there is, and not what made it so.

    Attributes:
        office: what the back office has said, all of it.
        hidden: what there is to be found.
    """

    def __init__(self, paper: PaperBroker, *, sums_alone: bool) -> None:
        self._paper, self._sums_alone = paper, sums_alone
        self.office: list[Executed] = []
        self.hidden: list[Hidden] = []
        self._originals: dict[tuple[str, str], Executed] = {}

    def executed(self, said: Executed) -> None:
        """Remembers a trade, so that it can be taken back."""
        self._originals.setdefault((_order(said), said.exec_id), said)

    async def statement(self, since: datetime) -> Statement:
        """What is in the account at one moment: the venue's record, and what others had moved by then."""
        told = await self._paper.statement(since)
        if not told.complete or told.balances is None or told.executions_since is None:
            return told
        sums = _Sums(told)
        office = [said for said in self.office if said.time <= told.as_of]
        hidden = [one for one in self.hidden if one.time <= told.as_of]
        for said in office:
            self._revise(sums, said)
        for one in hidden:
            if one.trade is not None:
                sums.add(one.trade, 1)
            else:
                sums.money[one.currency] += one.amount
        named = [one.trade for one in hidden if one.trade is not None and one.named]
        more = [said for said in (*office, *named) if said.time >= told.executions_since]
        if self._sums_alone:
            return Statement(as_of=told.as_of, complete=True, **sums.figures(told))
        executions = (*(told.executions or ()), *(replace(said, cursor=None) for said in more))
        return replace(told, **sums.figures(told), executions=executions)

    def _revise(self, sums: "_Sums", said: Executed) -> None:
        if said.refers_to is not None:
            sums.add(self._originals[_order(said), said.refers_to], -1)
        if said.execution_kind is not ExecutionKind.BUST:
            sums.add(said, 1)

    # What there is to be found.

    def positions_hidden(self) -> dict[str, list[Decimal]]:
        """By symbol: how far it was moved by what statements do not name, after each time that it was."""
        moved: dict[str, list[Decimal]] = {}
        for one in self.hidden:
            if one.trade is not None and not one.named and one.trade.side is not None:
                steps = moved.setdefault(one.trade.symbol or "", [Decimal(0)])
                steps.append(steps[-1] + one.trade.side.sign * one.trade.quantity)
        return moved

    def money_hidden(self) -> dict[str, list[Decimal]]:
        """By currency: the same of money."""
        moved: dict[str, list[Decimal]] = {}
        for one in self.hidden:
            if one.trade is None or not one.named:
                currency, amount = (one.currency, one.amount) if one.trade is None else _paid(one.trade, 1)
                steps = moved.setdefault(currency, [Decimal(0)])
                steps.append(steps[-1] + amount)
        return moved


class _Sums:
    """Of one statement."""

    def __init__(self, told: Statement) -> None:
        self.held = defaultdict(Decimal, told.positions or {})
        self.money = defaultdict(Decimal, told.balances or {})

    def add(self, said: Executed, sign: int) -> None:
        """One trade more, or less."""
        if said.side is not None and said.symbol is not None:
            self.held[said.symbol] += sign * said.side.sign * said.quantity
            currency, amount = _paid(said, sign)
            self.money[currency] += amount

    def figures(self, told: Statement) -> dict[str, dict[str, Decimal]]:
        """As a statement has them."""
        opened = {**dict.fromkeys(self.money, Decimal(0)), **(told.paid_in or {})}
        held = {symbol: quantity for symbol, quantity in self.held.items() if quantity}
        return {"positions": held, "balances": dict(self.money), "paid_in": opened}


def _paid(said: Executed, sign: int) -> tuple[str, Decimal]:
    """The currency of a trade, and what it brought of it; fees are paid in the same."""
    instrument = built_in(said.symbol or "")
    if instrument is None or said.side is None:
        raise ValueError(f"{said.exec_id} is in no known symbol, or on no side")
    value = said.side.sign * said.quantity * said.price * instrument.contract_size
    return instrument.currency, -sign * (value + said.fee)


def _order(said: Executed) -> str:
    return said.broker_order_id or "" if said.client_id is None else said.client_id.rpartition(".")[0]
