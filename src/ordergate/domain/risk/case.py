"""One order, or a change of one, before the gate: what is asked, and what the checks measure it against."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec import Struct

from ordergate.domain.algos.terms import AlgoTerms
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import Instrument
from ordergate.domain.market import Quote, mid
from ordergate.domain.money import ONE, ZERO, divide
from ordergate.domain.operations import Operation
from ordergate.domain.orders.decision import PriceSource
from ordergate.domain.orders.operations import OperationTerms, legs_of
from ordergate.domain.orders.states import OrderType, Side, TimeInForce
from ordergate.domain.risk.account import Account, Volume
from ordergate.domain.risk.conversion import Rates
from ordergate.domain.risk.exposure import Cell, Exposures, Group, Sums
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import DEFAULT_QUOTE_AGE_S, NOTHING, Level, Limits, Scope, leverage_of
from ordergate.domain.risk.once import once
from ordergate.domain.risk.splitting import algo_of, may_be_split, sent_at_once
from ordergate.domain.risk.throttles import Traffic
from ordergate.domain.risk.worth import equity_usd, largest
from ordergate.domain.slippage import MaxSlippage

_PLACES: Final = 12
USD: Final = "USD"


class Question(Struct, frozen=True, gc=False, kw_only=True):
    """What is asked.

    Attributes:
        quantity: of the order, once it is as asked.
        left: how much of it could be filled then.
        counted: how much of it counts already, and its worth at the order's present price; 0 where it is new.
        entry_price: the signal's.
        is_new: not a change of an order.
        max_slippage: how much worse than the reference mid it may trade; None is any.
        arrival: the reference mid of a change: the one when the order was created; None is the fresh quote's.
        guards: it protects a position: it gives way to others that close it.
        stop_to_come: the level of the stop that each of its fills will get; None where they get none.
        of_parent, undoes: it is a slice of an order that the gate has let through as a whole; it undoes another.
        operation, terms: what it does.
    """

    fund_id: str
    symbol: str
    side: Side
    quantity: Decimal
    left: Decimal
    order_type: OrderType
    broker: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    entry_price: Decimal | None = None
    strategy_id: str | None = None
    counted: tuple[Decimal, Decimal] = (ZERO, ZERO)
    is_new: bool = True
    max_slippage: MaxSlippage | None = None
    arrival: Decimal | None = None
    guards: bool = False
    stop_to_come: Decimal | None = None
    tif: TimeInForce = TimeInForce.DAY
    of_parent: bool = False
    undoes: bool = False
    operation: Operation = Operation.SPOT_TRADE
    terms: OperationTerms | None = None


class BrokerAccount(Struct, frozen=True, gc=False):
    """What a broker says of the account: in which currency, what is free for margin, when, and how far that reaches."""

    currency: str
    free_margin: Decimal
    at: datetime
    leverage: Decimal = ONE


class Ground(Struct, kw_only=True):
    """What the checks measure against.

    Attributes:
        stated: the names of all limits that any level states.
        levels: the limits that count, by scope: of the firm, the fund, the strategy, the symbol and the broker.
        last_made: when the same order was made last, under another key.
        runs: of the strategy since it was enabled.
        daily: what the fund has traded of the symbol on the present trading day; None for nothing.
        broker_account: what the broker says; None where it says nothing.
        switched_off: types of orders of which no new one is taken.
        operations: what the broker can do.
    """

    fund: Fund
    instrument: Instrument
    now: datetime
    levels: tuple[tuple[Scope, Limits], ...]
    stated: frozenset[str]
    exposures: Exposures
    traffic: Traffic
    rates: Rates
    quote: Quote | None = None
    account: Account | None = None
    daily: Volume | None = None
    halt: Halt | None = None
    last_made: Callable[[], datetime | None] = lambda: None
    runs: int = 0
    broker_account: BrokerAccount | None = None
    switched_off: frozenset[OrderType] = frozenset()
    operations: frozenset[Operation] = frozenset(Operation)


class Case:
    """A question on its ground; what follows from both is computed when a check asks for it, once."""

    def __init__(self, asked: Question, ground: Ground) -> None:
        self.asked, self.ground = asked, ground
        self.fund, self.instrument, self.levels = ground.fund, ground.instrument, ground.levels

    @once
    def limits(self) -> Limits:
        """The fund's."""
        return next((limits for scope, limits in self.levels if scope[0] is Level.FUND), NOTHING)

    @once
    def reference(self) -> tuple[Decimal, PriceSource] | None:
        """The price that the order is measured at: the fresh quote, else its own, else the signal's entry price."""
        asked, quote = self.asked, self.fresh_quote
        if not asked.operation.is_trade:
            return ONE, PriceSource.ITSELF
        if quote is not None:
            return (quote.ask if asked.side.sign > 0 else quote.bid), PriceSource.QUOTE
        for price, source in (
            (asked.limit_price, PriceSource.LIMIT),
            (asked.stop_price, PriceSource.STOP),
            (asked.entry_price, PriceSource.ENTRY),
        ):
            if price is not None:
                return price, source
        return None

    @once
    def fresh_quote(self) -> Quote | None:
        """The last quote, where it is young enough to be a reference."""
        quote = self.ground.quote
        if quote is None or not (_is_price(quote.bid) and _is_price(quote.ask)):
            return None
        if quote.pinned:
            return quote
        ages = [
            limits.max_quote_age_s for _scope, limits in self.levels if limits.max_quote_age_s is not None
        ]
        age = (self.ground.now - quote.time).total_seconds()
        return quote if age <= min(ages, default=DEFAULT_QUOTE_AGE_S) else None

    @once
    def price(self) -> Decimal:
        """What the order may cost at worst: the reference price or its own limit, whichever is more; 0 without any."""
        reference = self.reference
        return max(reference[0] if reference is not None else ZERO, self.asked.limit_price or ZERO)

    def usd(self, amount: Decimal, currency: str | None = None) -> Decimal | None:
        """An amount (of the instrument's currency where none is named) in US dollars; None without a rate."""
        currency = currency or self.instrument.currency
        if currency == USD:
            return amount
        rate = self._rate(currency)
        if rate is None:
            return None
        return divide(amount * rate, ONE, _PLACES)

    def _rate(self, currency: str, target: str = USD) -> Decimal | None:
        rate = self.ground.rates.rate(currency, target)
        of_the_pair = (self.instrument.base, self.instrument.currency) == (target, currency)
        return _divided(ONE, self.price) if rate is None and of_the_pair and self.price else rate

    @once
    def notional_usd(self) -> Decimal | None:
        """What the whole order may be worth, of a bundle its largest leg where that is more; None without a rate."""
        own = self.usd(self.asked.quantity * self.price * self.instrument.contract_size)
        return largest([own, *(self.usd(leg.quantity, leg.token) for leg in legs_of(self.asked.terms))])

    @property
    def may_be_split(self) -> bool:
        """Whether it is worked in slices if it is worth enough."""
        asked, splits = self.asked, self.fund.split is not None
        in_one = asked.guards or asked.of_parent or asked.undoes or not asked.operation.is_trade
        return splits and asked.is_new and not in_one and may_be_split(asked.order_type, asked.tif)

    @once
    def worth(self) -> Decimal | None:
        """The whole order's, in the fund's currency; None without a price or a rate."""
        base, size = self.fund.base_currency, self.asked.quantity * self.instrument.contract_size
        if base == self.instrument.base:
            return size
        rate = self._rate(self.instrument.currency, base)
        if rate is None or self.reference is None:
            return None
        return divide(size * self.price * rate, ONE, _PLACES)

    @once
    def algo(self) -> AlgoTerms | None:
        """How it is worked as a parent; None where it is sent at once."""
        terms = self.fund.split
        if terms is None or not self.may_be_split or self.worth is None:
            return None
        return algo_of(terms, self.asked.quantity, self.worth, self.instrument)

    @once
    def at_once(self) -> Decimal:
        """The most of it that leaves in one order."""
        return sent_at_once(self.asked.quantity, self.algo, self.instrument)

    @once
    def at_once_usd(self) -> Decimal | None:
        """What that may be worth; None without a rate."""
        if self.algo is None:
            return self.notional_usd
        return self.usd(self.at_once * self.price * self.instrument.contract_size)

    @once
    def more(self) -> Decimal:
        """How much more could be filled than now."""
        return max(self.asked.left - self.asked.counted[0], ZERO)

    @once
    def more_value(self) -> Decimal:
        """What that, and a higher price of what is left, may cost more, in units x price.

        At the order's own price, as it counts from its acceptance: a change that asks for less is not more because
        the market has moved.
        """
        asked = self.asked
        if asked.limit_price is None:
            return self.more * self.price
        return max(asked.left * asked.limit_price - asked.counted[1], ZERO)

    @property
    def asks_more(self) -> bool:
        """Whether it is not a change that only makes the order smaller or cheaper."""
        return self.asked.is_new or bool(self.more or self.more_value)

    @once
    def cell(self) -> Cell:
        """What the fund has of the symbol."""
        found = self.ground.exposures.cell(self.fund.fund_id, self.asked.symbol)
        return found if found is not None else Cell(self.fund.fund_id, self.instrument)

    @property
    def strategy_cell(self) -> Cell:
        """What the order's strategy has of the symbol in the fund: its own fills, and what works of its orders."""
        key = self.fund.fund_id, self.asked.symbol, self.asked.strategy_id or ""
        found = self.ground.exposures.strategy_cell(*key)
        return found if found is not None else Cell(self.fund.fund_id, self.instrument)

    @once
    def before(self) -> Sums:
        """The symbol's worth as it is."""
        return self.worth_before(self.cell)

    @once
    def after(self) -> Sums:
        """The symbol's worth if the order is let through."""
        return self.worth_after(self.cell)

    def worth_before(self, cell: Cell) -> Sums:
        """The worth of a cell that the order belongs to, as it is, at the fund's mark."""
        return cell.with_order(self.asked.side.sign, ZERO, ZERO, self._mark)

    def worth_after(self, cell: Cell) -> Sums:
        """The same if the order is let through."""
        asked = self.asked
        return cell.with_order(asked.side.sign, self.more, self.more_value, self._mark, guards=asked.guards)

    @once
    def _mark(self) -> Decimal:
        quote, reference = self.fresh_quote, self.reference
        if quote is not None:
            return mid(quote.bid, quote.ask)
        return self.cell.price(reference[0] if reference is not None else ZERO)

    @once
    def quantities(self) -> tuple[Decimal, Decimal]:
        """The least and the most that the fund may come to hold if the order is let through."""
        return self.quantities_after(self.cell)

    def quantities_after(self, cell: Cell) -> tuple[Decimal, Decimal]:
        """The least and the most that may come to be held of a cell that the order belongs to."""
        return cell.quantities(self.asked.side.sign, self.more, guards=self.asked.guards)

    def sums(self, fund_id: str) -> dict[Group, Sums]:
        """A fund's groups, or the firm's, as they are."""
        return self.ground.exposures.sums(fund_id)

    @once
    def equity_usd(self) -> Decimal | None:
        """What the fund is worth now; None where that is not known, or a rate is missing."""
        sums = self.sums(self.fund.fund_id)
        return equity_usd(self.limits, self.ground.account, sums, self._rate)

    def gross_usd(
        self, fund_id: str, wanted: Callable[[Group], bool] = lambda _group: True
    ) -> Decimal | None:
        """Gross exposure in the wanted groups as it is; None where a rate is missing."""
        return self._total(fund_id, wanted, lambda sums, _group: sums.gross)

    @once
    def margin_usd(self) -> Decimal | None:
        """What the fund's exposure binds as it is."""
        return self._total(self.fund.fund_id, lambda _group: True, self._margin_of)

    def _margin_of(self, sums: Sums, group: Group) -> Decimal:
        return _divided(sums.gross, leverage_of(self.limits, group.asset_class))

    @once
    def more_margin_usd(self) -> Decimal | None:
        """What the order binds more."""
        times = leverage_of(self.limits, self.instrument.asset_class)
        return self.usd(_divided(self.after.gross - self.before.gross, times))

    def _total(
        self, fund_id: str, wanted: Callable[[Group], bool], of: Callable[[Sums, Group], Decimal]
    ) -> Decimal | None:
        total = ZERO
        for group, sums in self.sums(fund_id).items():
            if wanted(group) and (amount := of(sums, group)):
                in_usd = self.usd(amount, group.currency)
                if in_usd is None:
                    return None
                total += in_usd
        return total

    def net_usd(self) -> tuple[Decimal, Decimal] | None:
        """The fund's least and most net exposure as it is; None where a rate is missing."""
        fund_id = self.fund.fund_id
        down = self._total(fund_id, lambda _group: True, lambda sums, _group: sums.down)
        up = self._total(fund_id, lambda _group: True, lambda sums, _group: sums.up)
        return None if down is None or up is None else (down, up)


def _is_price(number: Decimal) -> bool:
    return number.is_finite() and number > 0


def _divided(amount: Decimal, by: Decimal) -> Decimal:
    return amount if by == 1 else divide(amount, by, _PLACES)
