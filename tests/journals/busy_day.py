"""A busy day: orders, signals and all that a broker can say of them, the same for the same seed."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from ordergate.application.engine import Input
from ordergate.domain import moving as m
from ordergate.domain.algos.commands import WorkParent
from ordergate.domain.book import Key
from ordergate.domain.breaks import BreakKind, Cause
from ordergate.domain.configuration import ChangeConfiguration, ChangedKey, KeyClass
from ordergate.domain.funds import Fund
from ordergate.domain.logins import NoteRefusedLogin
from ordergate.domain.market import Quote
from ordergate.domain.moves import Holding, LogEnd, StrategyRuns
from ordergate.domain.moving import FundLeft
from ordergate.domain.operations import Operation
from ordergate.domain.orders import commands as c
from ordergate.domain.orders import reports as r
from ordergate.domain.orders.executions import Delta
from ordergate.domain.orders.operations import OperationTerms
from ordergate.domain.orders.states import ExecutionKind, Mark, OrderType, Side, TimeInForce
from ordergate.domain.positions.ledger import Balance
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position, StrategyPosition
from ordergate.domain.recon import commands as n
from ordergate.domain.recon.difference import Difference
from ordergate.domain.recon.holding import AccountHolding, HoldingKind
from ordergate.domain.risk import commands as k
from ordergate.domain.risk.account import Volume
from ordergate.domain.risk.kill_switch import Mode, Trigger
from ordergate.domain.risk.limits import ConfiguredLimits, Level, Limits
from ordergate.domain.signals import CreateFromSignal, Signal, SubmitSignal
from tests.journals.desk import BROKER, SPARE, START, Desk

ELSEWHERE: Final = "elsewhere"
FAR: Final = "far"
"""The account of another shard, which comes and goes with its fund."""
_SYMBOLS: Final = {"AAPL": "180.53", "MSFT": "402.1", "EURUSD": "1.10253", "BTC/USDT": "64000.01"}
_HUGE: Final = 70_000
_PLOTS: Final = 16


class _Later:
    """What can be said only then: about the break of that key at the other broker."""

    def __init__(self, key: str, about: Callable[[str], Input]) -> None:
        self._key, self._about = key, about

    def given(self, desk: Desk) -> Input:
        rows = desk.engine.state.breaks.rows.values()
        named = [row.break_id for row in rows if row.broker == ELSEWHERE and row.key == self._key]
        return self._about(named[-1])


class _Slice:
    """The timer of a parent, a minute and more after what was before; or what its broker says of its open child."""

    def __init__(self, parent: str, said: Callable[[str], Input] | None = None) -> None:
        self._parent, self._said = parent, said

    def given(self, desk: Desk) -> Input:
        rows = desk.engine.state.orders.rows.values()
        children = [row.order_id for row in rows if row.parent_order_id == self._parent and row.slice]
        if self._said is not None and children:
            return self._said(f"{children[-1]}.1")
        desk.now += timedelta(seconds=61)
        quotes = desk.engine.view.quotes
        quotes["AAPL"] = replace(quotes["AAPL"], time=desk.now)
        return WorkParent(self._parent)


class BusyDay:
    """Orders, and what becomes of them; `run` goes on where it left off, also on another desk.

    Args:
        trades_alone: there is nothing that is no trade: a day of long ago.
    """

    def __init__(self, seed: int, *, trades_alone: bool = False) -> None:
        self._random = Random(seed)
        self._plots: list[list[Input | _Later | _Slice]] = [
            _a_fund_that_comes_and_goes(),
            _limits_that_nobody_meets(),
            [*_a_drill(), *_another_configuration()],
            _an_override(),
            _another_record(),
            _orders_that_wait_to_be_sent(),
            _an_order_that_goes_on(),
            _an_order_in_slices("sliced-1"),
            [*_an_order_in_slices("sliced-2")[:6], c.CancelOrder(order_id="sliced-2"), _canceled("sliced-2")],
            *([] if trades_alone else [_a_supply_in_two_steps(), _an_entry_that_its_broker_closes()]),
        ]
        self._orders = self._cursor = 0

    async def run(self, desk: Desk, size: int) -> None:
        """Works until the journal has at least `size` entries."""
        for symbol, price in _SYMBOLS.items():
            bid = Decimal(price)
            quote = Quote(symbol=symbol, time=desk.now, bid=bid, ask=bid + Decimal("0.01"))
            desk.engine.view.quotes[symbol] = quote
        while desk.engine.size < size:
            while len(self._plots) < _PLOTS:
                self._plots.append(self._plot())
            raw = "x" * _HUGE if self._random.random() < 0.05 else None
            chosen = self._random.sample(self._plots, self._random.randint(1, _PLOTS // 2))
            given = [plot[0] for plot in chosen]
            await desk.write(
                [one.given(desk) if isinstance(one, _Later | _Slice) else one for one in given], raw
            )
            for plot in chosen:
                del plot[0]
            self._plots = [plot for plot in self._plots if plot]

    def _plot(self) -> list[Input | _Later | _Slice]:
        self._orders += 1
        name = f"ord-{self._orders:04}"
        if self._random.random() < 0.1:
            return [self._signal(name)]
        if self._random.random() < 0.05:
            return self._adopted(name)
        lots, (symbol, text) = self._random.randint(1, 9) * 10, self._random.choice(list(_SYMBOLS.items()))
        limit = Decimal(text) if self._random.random() < 0.5 else None
        asks: Input = c.SubmitOrder(
            order_id=name,
            fund_id=self._random.choice(("alpha", "alpha", "beta")),
            symbol=symbol,
            side=self._random.choice(list(Side)),
            quantity=Decimal(lots),
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
            strategy_id=(None, "momentum", "momentum", "trend")[self._orders % 4],
            key_kind="idempotency_key",
            key=f"key-{self._orders // 2 if self._random.random() < 0.05 else self._orders}",
            order_manager=(None, "Rebalance, 26 May — „täglich“", None)[self._orders % 3],
            thesis="mean reversion — „schnell“ | 'quoted'" if lots > 50 else None,
        )
        story = self._random.choice(_STORIES)(_Broker(self, name, Decimal(text)), lots)
        if self._random.random() < 0.15:
            self._random.shuffle(story)
        return [asks, *story]

    def _signal(self, name: str) -> Input:
        quantity = self._random.choice((None, Decimal(10), Decimal("0.5")))
        action = self._random.choice(("buy", "close_long", "hold"))
        approved = self._random.random() < 0.7
        disapproval = None if approved else "risk_approval_status is rejected"
        return SubmitSignal(
            Signal(
                signal_id=name,
                symbol=self._random.choice(("AAPL", "NOSUCH1")),
                action=action,
                fund_id="alpha",
                quantity=quantity,
                approved=approved,
                disapproval=disapproval,
            )
        )

    def _adopted(self, name: str) -> list[Input]:
        by_telephone = c.AdoptOrder(
            order_id=name,
            fund_id="alpha",
            symbol="MSFT",
            side=Side.SHORT,
            quantity=Decimal(5),
            order_type=OrderType.MARKET,
            broker=BROKER,
            broker_order_id=f"B{name}",
        )
        fill = _Broker(self, name, Decimal("401.99")).fills(5, completes=True)
        return [by_telephone, replace(fill, client_id=None, broker_order_id=by_telephone.broker_order_id)]

    def cursor(self) -> str | None:
        """The next place in the broker's stream; some reports come with none."""
        self._cursor += 1
        return None if self._cursor % 3 else str(self._cursor)


def _a_fund_that_comes_and_goes() -> list[Input]:
    """A fund of another shard with a position and cash, which leaves again."""
    end = LogEnd(origin="other.example/log", size=40, root="AAAA")
    position = Position(
        fund_id="gamma",
        symbol="AAPL",
        updated_at=START,
        quantity=Decimal(3),
        cost=Decimal("541.5"),
        realized_pnl=Decimal("7.25"),
        oldest_open=4,
        lot_count=5,
    )
    lots = tuple(
        Lot(
            lot_id=f"far-{number}-f1",
            fund_id="gamma",
            symbol="AAPL",
            number=number,
            quantity=Decimal(2),
            remaining=Decimal(number - 3),
            price=Decimal("180.5"),
            opened_at=START,
        )
        for number in (4, 5)
    )
    part = FundLeft(
        fund_id="gamma",
        shard="here",
        origin="test",
        number=0,
        parts=2,
        fund=Fund(fund_id="gamma", broker=BROKER),
    )
    cash = Balance(fund_id="gamma", position_key=f"{BROKER}:BaseToken:USD", amount=Decimal("-541.5"))
    built = StrategyPosition(fund_id="gamma", symbol="AAPL", strategy_id="momentum", quantity=Decimal("2.5"))
    volume = Volume(
        fund_id="gamma", symbol="AAPL", day="2026-01-05", quantity=Decimal(5), value=Decimal("902.5")
    )
    account = AccountHolding(broker=FAR, kind=HoldingKind.POSITION, name="AAPL", quantity=Decimal(3))
    held = replace(
        part,
        number=1,
        fund=None,
        holdings=(Holding(position=position, lots=lots),),
        balances=(cash,),
        strategies=(built,),
        volumes=(volume,),
        runs=(StrategyRuns(strategy_id="far", runs=2),),
        at_brokers=(account,),
    )
    key = Key(fund_id="gamma", kind="idempotency_key", key="far", order_id="far-4", fingerprint="f" * 64)
    return [
        m.ExpectFund(fund_id="gamma", shard="other", origin=end.origin),
        m.TakePart(left=part, index=38, end=end),
        m.TakePart(left=held, index=39, end=end),
        m.TakeKeys(fund_id="gamma", end=end, keys=(key,)),
        m.OpenFund(fund_id="gamma", end=end, parts=2),
        m.LeaveFund(fund_id="gamma", shard="other", origin=end.origin, brokers=frozenset({FAR})),
    ]


def _limits_that_nobody_meets() -> list[Input]:
    """Of the firm, a fund and a strategy, whose runs and signs of life are counted; one change is for a while."""
    wide = Limits(nav_usd=Decimal(10) ** 12, max_gross_exposure_usd=Decimal(10) ** 13, max_quote_age_s=10**6)
    fund = k.SetLimits(level=Level.FUND, name="alpha", limits=wide, reason="wide enough")
    for_a_while = replace(
        fund, limits=replace(wide, enable_shorting=True), reverts_at=START + timedelta(milliseconds=9)
    )
    firm = replace(fund, level=Level.FIRM, name="", limits=Limits(max_order_notional_usd=Decimal(10) ** 12))
    seen = Limits(max_runs=10**6, max_silence_s=10**6, max_position_qty=Decimal(10) ** 12)
    runs = replace(fund, level=Level.STRATEGY, name="momentum", limits=seen)
    return [
        runs,
        fund,
        k.ValueFunds(),
        firm,
        for_a_while,
        replace(runs, name="idle", limits=Limits(max_silence_s=10**6)),
        k.Heartbeat(strategy_id="idle"),
        k.EnableStrategy(strategy_id="momentum", reason="it may"),
        k.ValueFunds(),
    ]


def _a_drill() -> list[Input]:
    """The kill switch of a strategy that nobody follows, thrown by a trigger, lifted by a person, thrown again."""
    thrown = k.ThrowSwitch(
        level=Level.STRATEGY, name="idle", reason="a drill", mode=Mode.REDUCE_ONLY, trigger=Trigger.STALE_FEED
    )
    lifted = k.LiftHalt(level=Level.STRATEGY, name="idle", reason="the drill is over")
    return [thrown, replace(thrown, mode=Mode.HALT), lifted, thrown]


def _another_configuration() -> list[Input]:
    """Limits and a rate are other ones from a moment on; that another node says the same is no news."""
    rate = ChangedKey(key='rates."USDT/USD"', key_class=KeyClass.HOT, old='"1"', new='"0.999"')
    limits = ConfiguredLimits(
        level=Level.STRATEGY, name="configured", limits=Limits(max_order_qty=Decimal(7))
    )
    changed = ChangeConfiguration(
        source="file", revision="2026-01-02T03:04:05+00:00", digest="d1", changes=(rate,), limits=(limits,)
    )
    return [changed, replace(changed, digest="d2", changes=(), limits=())]


def _an_override() -> list[Input]:
    """An order that is refused, asked for once more, turned down, asked for again and granted."""
    small = Limits(max_order_qty=Decimal(1))
    rash = c.SubmitOrder(
        order_id="rash-1",
        fund_id="beta",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(5),
        order_type=OrderType.MARKET,
        strategy_id="rash",
        key_kind="idempotency_key",
        key="rash-1",
    )
    ask = k.AskOverride(order_id="rash-1", reason="a hedge")
    return [
        k.SetLimits(level=Level.STRATEGY, name="rash", limits=small, reason="it is"),
        rash,
        ask,
        k.TurnDownOverride(order_id="rash-1", reason="not now"),
        ask,
        k.GrantOverride(order_id="rash-1", reason="seen"),
    ]


def _another_record() -> list[Input | _Later]:
    """Comparisons with the record of a broker that nobody trades at, and what persons do with what they find."""
    shares = Difference(
        kind=BreakKind.POSITION, key="position/AAPL", detail="0 AAPL here, 5 there", symbol="AAPL", ours=Decimal(0),
        theirs=Decimal(5),
    )  # fmt: skip
    money = Difference(
        kind=BreakKind.BALANCE, key="balance/USD", detail="0 USD here, 1.50 there", symbol="USD", ours=Decimal(0),
        theirs=Decimal("1.50"),
    )  # fmt: skip
    order = Difference(
        kind=BreakKind.UNKNOWN_ORDER, key="order/x", detail="it works there", order_id="ord-0030", cause=Cause.FOREIGN
    )  # fmt: skip
    works = Difference(
        kind=BreakKind.STILL_WORKING, key="working/x", detail="it works there, too", order_id="ord-0030"
    )
    found = n.Reconcile(broker=ELSEWHERE, found=(shares, money, order, works), covers=frozenset(BreakKind))
    return [
        found,
        replace(found, found=(replace(shares, theirs=Decimal(6)), money, order, works)),
        _Later("position/AAPL", lambda name: n.AssignBreak(break_id=name, owner="bea")),
        _Later(
            "position/AAPL",
            lambda name: n.AdjustBreak(break_id=name, why="a gift", fund_id="beta", price=Decimal(180)),
        ),
        _Later("balance/USD", lambda name: n.AdjustBreak(break_id=name, why="interest", fund_id="beta")),
        _Later("working/x", lambda name: n.ResolveBreak(break_id=name, why="they know")),
        _Later("order/x", lambda name: n.AssignBreak(break_id=name, owner="ann")),
        _Later("order/x", lambda name: n.ResolveBreak(break_id=name, why="not ours")),
        replace(found, found=(shares, money, order)),
        replace(found, found=(money,)),
        replace(found, found=(shares,)),
    ]


def _an_entry_that_its_broker_closes() -> list[Input]:
    """By a stop loss in parts, one of which it takes back, and the rest by a take profit, told twice."""
    asks = c.SubmitOrder(
        order_id="levels-1",
        fund_id="alpha",
        symbol="MSFT",
        side=Side.BUY,
        quantity=Decimal(50),
        order_type=OrderType.MARKET,
        stop_loss=Decimal(400),
        take_profit=Decimal(410),
        key_kind="idempotency_key",
        key="levels-1",
    )
    opened = r.Executed(
        broker=BROKER, client_id="levels-1.1", exec_id="x1", time=START, quantity=Decimal(50),
        price=Decimal("402.1"), completes=True,
    )  # fmt: skip
    stopped = r.Executed(
        broker=BROKER, broker_order_id="T1", closes="levels-1.1", exec_id="s1", time=START, side=Side.SELL,
        quantity=Decimal(20), price=Decimal("399.98"), order_type=OrderType.STOP, fee=Decimal("0.2"),
        fee_currency="USD", symbol="MSFT",
    )  # fmt: skip
    undone = replace(stopped, exec_id="s3", execution_kind=ExecutionKind.BUST, refers_to="s2", fee=Decimal(0))
    profit = replace(
        stopped, broker_order_id="T2", exec_id="p1", quantity=Decimal(30), price=Decimal(411),
        order_type=OrderType.LIMIT, completes=True,
    )  # fmt: skip
    return [
        asks,
        opened,
        stopped,
        replace(stopped, exec_id="s2", quantity=Decimal(5)),
        undone,
        profit,
        r.Confirmed(broker=BROKER, broker_order_id="T1"),
        profit,
    ]


def _a_supply_in_two_steps() -> list[Input]:
    """What is no trade: a step that costs a fee, what is done, and that taken back and done again."""
    asks = c.SubmitOrder(
        order_id="supply-1",
        fund_id="alpha",
        symbol="token:USDT",
        side=Side.SELL,
        quantity=Decimal(40),
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        operation=Operation.SUPPLY,
        terms=OperationTerms(venue="aave_v3", token_out="aUSDT", least_out=Decimal("39.5")),
        key_kind="idempotency_key",
        key="supply-1",
    )
    step = r.Executed(
        broker=BROKER,
        client_id="supply-1.1",
        exec_id="a",
        time=START,
        fee=Decimal("0.01"),
        fee_currency="USDT",
        deltas=(),
    )
    moved = (
        Delta(f"{BROKER}:BaseToken:USDT", Decimal(-40), "trade"), Delta("aave_v3:aToken:aUSDT", Decimal(40), "trade")
    )  # fmt: skip
    done = replace(step, exec_id="b", quantity=Decimal(40), deltas=moved)
    undone = replace(
        step, exec_id="c", execution_kind=ExecutionKind.BUST, refers_to="b", fee=Decimal(0), deltas=None
    )
    return [asks, step, done, undone, replace(done, exec_id="d", completes=True)]


def _orders_that_wait_to_be_sent() -> list[Input]:
    """One that is created and sent later, one that is canceled before, one that a check refuses, one of a signal."""
    first = c.CreateOrder(
        order_id="later-1",
        fund_id="alpha",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(3),
        order_type=OrderType.MARKET,
        strategy_id="later",
        key_kind="idempotency_key",
        key="later-1",
    )
    small = k.SetLimits(
        level=Level.STRATEGY, name="later", limits=Limits(max_order_qty=Decimal(5)), reason="small"
    )
    signal = Signal(signal_id="later-4", symbol="AAPL", action="buy", quantity=Decimal(2), fund_id="alpha")
    return [
        small,
        first,
        replace(first, order_id="later-2", key="later-2"),
        replace(first, order_id="later-3", key="later-3", quantity=Decimal(6)),
        CreateFromSignal(signal, "market"),
        replace(first, order_id="later-5", key="later-5"),
        c.SubmitCreated("later-1"),
        c.SubmitCreated("later-1"),
        c.CancelOrder(order_id="later-2"),
        c.SubmitCreated("later-3"),
        r.Acknowledged(broker=BROKER, client_id="later-1.1", broker_order_id="Blater-1"),
    ]


def _an_order_that_goes_on() -> list[Input]:
    """One that provably was not sent goes to the next broker, which refuses our login; it is canceled there."""
    asks = c.SubmitOrder(
        order_id="routed-1",
        fund_id="delta",
        symbol="BTC/USDT",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
        key_kind="idempotency_key",
        key="routed-1",
    )
    away = r.Answered(
        broker=BROKER, client_id="routed-1.1", outcome=r.Outcome.NOT_SENT, reason="no route to host"
    )
    return [
        asks,
        away,
        NoteRefusedLogin(broker=SPARE, reason="the key has expired"),
        c.CancelOrder(order_id="routed-1"),
        replace(asks, order_id="routed-2", key="routed-2"),
        replace(away, client_id="routed-2.1"),
    ]


def _an_order_in_slices(name: str) -> list[Input | _Slice]:
    """A parent of four slices, of which one is filled in two, one is taken back, and one is rejected."""
    large = c.SubmitOrder(
        order_id=name,
        fund_id="gradual",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(40),
        order_type=OrderType.MARKET,
        strategy_id="gradual",
        tif=TimeInForce.GTC,
        key_kind="idempotency_key",
        key=name,
    )

    def fills(exec_id: str, lots: int, **more: Any) -> _Slice:
        return _Slice(
            name,
            lambda client: r.Executed(
                broker=BROKER, client_id=client, exec_id=exec_id, time=START, quantity=Decimal(lots),
                price=Decimal("180.54") if lots else Decimal(0), **more,
            ),
        )  # fmt: skip

    taken_back = {"execution_kind": ExecutionKind.BUST, "refers_to": "s2"}
    return [
        large,
        _Slice(name),
        fills("s1", 4),
        fills("s2", 3),
        fills("s3", 0, **taken_back),
        fills("s4", 6),
        _Slice(name),
        _Slice(name, lambda client: r.Ended(broker=BROKER, client_id=client, end=r.End.REJECTED)),
        *[_Slice(name) for _ in range(8)],
    ]


def _canceled(name: str) -> _Slice:
    return _Slice(name, lambda client: r.Ended(broker=BROKER, client_id=client, end=r.End.CANCELED))


class _Broker:
    """Says things about one order."""

    def __init__(self, day: BusyDay, name: str, price: Decimal) -> None:
        self._day, self._name, self._price, self._trades = day, name, price, 0

    def _client(self, number: int) -> str:
        return f"{self._name}.{number}"

    def acknowledges(self) -> Input:
        return r.Acknowledged(broker=BROKER, client_id=self._client(1), broker_order_id=f"B{self._name}")

    def answers(self, outcome: r.Outcome, number: int = 1) -> Input:
        return r.Answered(broker=BROKER, client_id=self._client(number), outcome=outcome, reason="as asked")

    def finds(self, finding: r.Finding, *, final: bool = False) -> Input:
        return r.LookedUp(broker=BROKER, client_id=self._client(1), finding=finding, final=final)

    def fills(self, lots: int | Decimal, *, completes: bool = False, side: Side | None = None) -> r.Executed:
        self._trades += 1
        return r.Executed(
            broker=BROKER,
            client_id=self._client(1),
            exec_id=f"x{self._trades}",
            time=START,
            quantity=Decimal(lots),
            price=self._price + Decimal(self._trades) / 100,
            fee=Decimal("0.350"),
            fee_currency="USD",
            side=side,
            completes=completes,
            cursor=self._day.cursor(),
            raw='{"said":"filled"}',
        )

    def revises(self, trade: str, name: str, lots: int) -> Input:
        bust = lots == 0
        return r.Executed(
            broker=BROKER,
            client_id=self._client(1),
            exec_id=name,
            time=START + timedelta(seconds=int(name[1:])),
            quantity=Decimal(lots),
            price=self._price,
            execution_kind=ExecutionKind.BUST if bust else ExecutionKind.CORRECT,
            refers_to=trade,
        )

    def ends(self, end: r.End) -> Input:
        return r.Ended(broker=BROKER, client_id=self._client(1), end=end, reason="so be it")

    def replaces(self, lots: int) -> Input:
        return r.Replaced(broker=BROKER, client_id=self._client(2), quantity=Decimal(lots))

    def refuses(self) -> Input:
        return r.RequestRefused(broker=BROKER, client_id=self._client(2), reason="too late")

    def restates(self, lots: int) -> Input:
        return r.Restated(
            broker=BROKER, client_id=self._client(1), reason="partial decline", quantity=Decimal(lots)
        )

    def marks(self, mark: Mark, *, on: bool = True) -> Input:
        return r.Marked(broker=BROKER, client_id=self._client(1), mark=mark, on=on)

    def confirms(self) -> Input:
        return r.Confirmed(broker=BROKER, client_id=self._client(1), cursor=self._day.cursor())

    def cancel(self) -> Input:
        return c.CancelOrder(order_id=self._name, reason="second thoughts")

    def release(self) -> Input:
        return c.Release(self._name, 1)

    def replace(self, lots: int) -> Input:
        return c.ReplaceOrder(order_id=self._name, quantity=Decimal(lots))


_Story = Callable[[_Broker, int], list[Input]]
_SPLIT: Final = Decimal("0.1")

_STORIES: Final[Sequence[_Story]] = (
    lambda b, n: [b.acknowledges(), b.fills(n, completes=True)],
    lambda b, n: [b.fills(n - 7), b.fills(7), b.confirms()],
    lambda b, n: [b.fills(n - 3), b.fills(3), b.revises("x1", "e3", 0), b.fills(n - 3), b.confirms()],
    lambda b, n: [b.acknowledges(), b.fills(n - 5), b.cancel(), b.ends(r.End.CANCELED), b.fills(2)],
    lambda b, n: [b.cancel(), b.answers(r.Outcome.REJECTED, 2), b.ends(r.End.EXPIRED), b.fills(n)],
    lambda b, n: [b.answers(r.Outcome.REJECTED)],
    lambda b, n: [b.answers(r.Outcome.NOT_SENT), b.release(), b.fills(n, completes=True)],
    lambda b, n: [b.answers(r.Outcome.UNKNOWN), b.finds(r.Finding.UNPROVEN), b.acknowledges(), b.fills(n)],
    lambda b, n: [b.answers(r.Outcome.UNKNOWN), b.finds(r.Finding.UNPROVEN, final=True), b.fills(n)],
    lambda b, n: [b.fills(1), b.revises("x1", "e3", 2), b.revises("e3", "e4", 0), b.revises("x1", "e5", 3)],
    lambda b, n: [b.fills(4), b.revises("e4", "e6", 1), b.revises("x1", "e4", 5), b.revises("x9", "e7", 2)],
    lambda b, n: [
        b.acknowledges(),
        b.replace(n + 10),
        b.replaces(n + 10),
        b.fills(n),
        b.fills(10),
        b.fills(9),
    ],
    lambda b, n: [b.fills(n), b.replace(n + 20), b.replaces(n + 20), b.restates(n), b.confirms()],
    lambda b, n: [
        b.marks(Mark.SUSPENDED),
        b.marks(Mark.SUSPENDED, on=False),
        b.fills(n * _SPLIT),
        b.fills(n),
    ],
    lambda b, n: [b.fills(1, side=Side.COVER), b.fills(1, side=Side.SHORT), b.ends(r.End.FAILED), b.cancel()],
)
