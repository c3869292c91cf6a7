"""What changes without a restart: each key that is hot, on a gate that runs, in simulated time."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ordergate.application.entry import Entry, Origin
from ordergate.application.naming import LogName
from ordergate.application.telling import Teller
from ordergate.bootstrap.nats import renderers_of
from ordergate.config.changing import CLASSES
from ordergate.domain.configuration import KeyClass
from ordergate.domain.errors import Refused, StoreError
from ordergate.domain.orders.commands import CancelOrder
from ordergate.domain.orders.states import OrderType
from ordergate.domain.risk.limits import FIRM, Level
from ordergate.domain.signals import SubmitSignal, parse_signal
from tests.unit.application.accounts import breaks
from tests.unit.application.guards import Sentry, entries
from tests.unit.reloads import BASE, D, Room, reloaded

Look = Callable[[Room, str], Awaitable[Any]]
FUND = "paper-momentum"
LIMIT = {"order_type": OrderType.LIMIT, "limit_price": D(179)}
LIMITED = {
    "funds": {FUND: {}},
    "limits": {"funds": {FUND: {"nav_usd": 10_000_000, "price_collar_pct": "none", "duplicate_window_s": "none"}}},
}  # fmt: skip
SIGNAL = {"symbol": "EURUSD", "signal_type": "buy", "position_size": D("0.5"), "entry_price": D("1.08")}
AAPL = {"class": "equities", "unit": "shares", "tick": D("0.01"), "lot_step": 1, "currency": "USD"}


async def signaled(room: Room, label: str) -> Any:
    room.quote("1.0800", "1.0801", "EURUSD")
    made = await room.gate.execute(SubmitSignal(parse_signal(SIGNAL | {"signal_id": label})))
    return made.order


def of_signal(field: str) -> Look:
    async def look(room: Room, label: str) -> Any:
        return getattr(await signaled(room, label), field)

    return look


def again(make: Callable[[Room, str], Awaitable[Any]]) -> Look:
    """Whether the same is the same order two hours later."""

    async def look(room: Room, label: str) -> bool:
        first = await make(room, label)
        await room.later(hours=2)
        return (await make(room, label)).order_id == first.order_id

    return look


def judged(**terms: Any) -> Look:
    """Why an order is refused."""

    async def look(room: Room, label: str) -> str | None:
        try:
            return (await room.buy(label, **terms)).reason_code
        except Refused as refused:
            return refused.code

    return look


def field_of(name: str, **terms: Any) -> Look:
    async def look(room: Room, label: str) -> Any:
        return getattr(await room.buy(label, **terms), name)

    return look


def fund(name: str) -> Look:
    async def look(room: Room, _label: str) -> Any:
        return getattr(room.gate.runner.engine.state.funds.rows[FUND], name)

    return look


def raised(kind: str, symbol: str = "AAPL", bid: str = "180", ask: str = "181", **terms: Any) -> Look:
    """How many such entries an order leads to."""

    async def look(room: Room, label: str) -> int:
        room.quote(bid, ask, symbol)
        await room.buy(label, symbol=symbol, **terms)
        return len([one for one in await entries(room.gate, kind) if one.order_id is not None])

    return look


def overdue(after_s: float) -> Look:
    async def look(room: Room, label: str) -> int:
        order = await room.buy(label, **LIMIT)
        await room.later(seconds=after_s)
        found = [one for one in await entries(room.gate, "OrderOverdue") if one.order_id == order.order_id]
        await room.gate.execute(CancelOrder(order_id=order.order_id), Origin())
        return len(found)

    return look


async def paused(room: Room, label: str) -> bool:
    room.quote()
    await room.buy(label, strategy_id="trend")
    halt = room.gate.runner.engine.state.halts.get((Level.STRATEGY, "trend"))
    return halt is not None and halt.holds


async def decided(room: Room, label: str) -> tuple[str | None, float]:
    """What becomes of an order whose gate is silent, and after how long."""
    if "desk" not in room.gate.guard.gating.gates:
        room.gate.guard.gating.add("desk", Sentry(at_once=False))
    began = room.gate.clock.now()
    made = (await room.buy(label, **LIMIT)).order_id
    await room.later(seconds=20)
    answers = [one for one in await entries(room.gate, "GateAnswered") if one.order_id == made]
    order = await room.gate.queries.order(made)
    return order.reason_code, round((answers[0].time - began).total_seconds())


async def stale(room: Room, label: str) -> bool:
    room.quote()
    await room.buy(label)
    await room.later(seconds=20)
    halt = room.gate.runner.engine.state.halts.get(FIRM)
    return halt is not None and halt.holds


async def outage(room: Room, _label: str) -> bool:
    room.gate.runner.outage = StoreError("gone for a moment")
    room.gate.runner.stirred.set()
    await room.later(seconds=2)
    halt = room.gate.runner.engine.state.halts.get(FIRM)
    return halt is not None and halt.holds


async def compared(room: Room, _label: str) -> int:
    await room.later(seconds=1)
    before = room.broker.asked
    await room.later(seconds=100)
    return room.broker.asked - before


async def compared_after_an_order(room: Room, label: str) -> bool:
    await room.later(seconds=1)
    before = room.broker.asked
    await room.buy(label)
    await room.later(seconds=1)
    return room.broker.asked > before


def explained(room: Room, label: str) -> Awaitable[Any]:
    """What follows from a share too much."""

    async def look() -> str:
        from msgspec.structs import replace

        if not room.broker.edits:
            room.broker.edits.append(lambda said: replace(said, positions={"AAPL": D(1)}))
        await room.gate.compare("paper")
        await room.later(seconds=30)
        halt = room.gate.runner.engine.state.halts.get((Level.BROKER, "paper"))
        return "halted" if halt is not None and halt.holds else f"{len(await breaks(room.gate))} breaks"

    return look()


async def told_of_partial_fills(room: Room, label: str) -> bool:
    renders = renderers_of(room.gate)
    room.quote(size=40)
    order = await room.buy(label)
    size = (await room.gate.journal.head()).size
    lines = await room.gate.journal.lines(0, size)
    from ordergate.application.entry import decode

    found: list[Entry] = [decode(line.data, index) for index, line in enumerate(lines)]
    told = await Teller(room.gate.journal).tell([one for one in found if one.order_id == order.order_id])
    name = LogName("log", "journal")
    return any(
        letter.subject == "orders.partially_filled.AAPL"
        for one in told
        for render in renders
        for letter in render(one, name)
    )


def limits(level: str, name: str = "") -> dict[str, Any]:
    table = {"max_order_qty": 50}
    return {"limits": {level: {name: table} if name else table}}


NATS = {"nats": {"servers": ["nats://127.0.0.1:1"], "dialects": ["orders"]}}
SPARE = {"brokers": {"paper": {}, "spare": {}}}
OTHER = {"funds": {"other": {"unlimited": True}}}
GATED = {
    "funds": {FUND: {}},
    "limits": {"funds": {FUND: {**LIMITED["limits"]["funds"][FUND], "gates": ["desk"]}}},
    "gates": {"desk": {}},
}
RATED = {
    "funds": {FUND: {}},
    "limits": {
        "funds": {
            FUND: {
                **LIMITED["limits"]["funds"][FUND],
                "max_order_notional_usd": 2_000,
                "allowed_asset_classes": "none",
            }
        }
    },
    "rates": {"USDT/USD": 1},
}

Row = tuple[dict[str, Any], dict[str, Any], Look, Any, Any]
EFFECTS: dict[str, Row] = {
    # key: what stands in the file besides, what is written, what is looked at, how it was, how it is
    "signals.fund": (OTHER, {"signals": {"fund": "other"}}, of_signal("fund_id"), FUND, "other"),
    "signals.order_type": ({}, {"signals": {"order_type": "limit"}}, of_signal("order_type"), "market", "limit"),
    "signals.max_slippage_pips": ({}, {"signals": {"max_slippage_pips": 3}}, of_signal("max_slippage_pips"), None, 3),
    "signals.dedupe_window": ({}, {"signals": {"dedupe_window": "1h"}}, again(signaled), True, False),
    "orders.limit": ({}, {"orders": {"limit": False}}, judged(**LIMIT), None, "RISK_ORDER_TYPE"),
    "orders.stop": (
        {}, {"orders": {"stop": False}}, judged(order_type=OrderType.STOP, stop_price=D(190)), None, "RISK_ORDER_TYPE",
    ),
    "fills.slippage_alert_pips": (
        {}, {"fills": {"slippage_alert_pips": 1}},
        raised("SlippageExceeded", "EURUSD", "1.0800", "1.0804", quantity=D(1)), 0, 1,
    ),
    "funds.other": ({}, OTHER, judged(fund_id="other"), "unknown_fund", None),
    f"funds.{FUND}.asset_classes": ({}, {"funds": {FUND: {"asset_classes": ["fx"]}}}, judged(), None, "RISK_ASSET_CLASS"),
    f"funds.{FUND}.strategies": (
        {}, {"funds": {FUND: {"strategies": ["a"]}}}, judged(strategy_id="b"), None, "RISK_STRATEGY",
    ),
    f"funds.{FUND}.tax_lot_method": ({}, {"funds": {FUND: {"tax_lot_method": "hifo"}}}, fund("tax_lot_method"), "fifo", "hifo"),
    f"funds.{FUND}.dedupe_window": (
        {}, {"funds": {FUND: {"dedupe_window": "5m"}}}, again(lambda room, label: room.buy(label)), True, False,
    ),
    f"funds.{FUND}.slippage_alert_bps": (
        {}, {"funds": {FUND: {"slippage_alert_bps": 5}}}, raised("SlippageExceeded"), 0, 1,
    ),
    f"funds.{FUND}.slippage_pause": (
        {"funds": {FUND: {"slippage_alert_bps": 5}}}, {"funds": {FUND: {"slippage_pause": True}}}, paused, False, True,
    ),
    f"funds.{FUND}.workers": (
        {}, {"funds": {FUND: {"workers": {"unfilled_after_s": 30}}}}, overdue(40), 0, 1,
    ),
    f"funds.{FUND}.broker": (SPARE, {"funds": {FUND: {"broker": "spare"}}}, field_of("broker"), "paper", "spare"),
    f"funds.{FUND}.base_currency": ({}, {"funds": {FUND: {"base_currency": "EUR"}}}, fund("base_currency"), "USD", "EUR"),
    "instruments.AAPL": ({}, {"instruments": {"AAPL": AAPL | {"tick": D("0.5")}}}, judged(**LIMIT | {"limit_price": D("179.1")}), None, "off_tick"),
    "instruments.AAPL.lot_step": (
        {"instruments": {"AAPL": AAPL}}, {"instruments": {"AAPL": {"lot_step": 30}}}, judged(), None, "off_lot",
    ),
    "limits.firm": (LIMITED, limits("firm"), judged(), None, "RISK_ORDER_QTY"),
    "limits.funds": (LIMITED, limits("funds", FUND), judged(), None, "RISK_ORDER_QTY"),
    "limits.strategies": (LIMITED, limits("strategies", "s"), judged(strategy_id="s"), None, "RISK_ORDER_QTY"),
    "limits.symbols": (LIMITED, limits("symbols", "AAPL"), judged(), None, "RISK_ORDER_QTY"),
    "limits.brokers": (LIMITED, limits("brokers", "paper"), judged(), None, "RISK_ORDER_QTY"),
    "rates": (
        RATED, {"rates": {"USDT/USD": 2}}, judged(symbol="BTC/USDT", quantity=D(1), order_type=OrderType.LIMIT, limit_price=D(1500)),
        None, "RISK_ORDER_NOTIONAL",
    ),
    "gates.desk.timeout_s": (GATED, {"gates": {"desk": {"timeout_s": 2}}}, decided, ("RISK_GATE", 5), ("RISK_GATE", 2)),
    "gates.desk.advisory": (GATED, {"gates": {"desk": {"advisory": True}}}, decided, ("RISK_GATE", 5), (None, 5)),
    "triggers.stale_feed_s": ({}, {"triggers": {"stale_feed_s": 5}}, stale, False, True),
    "triggers.store_failure": ({}, {"triggers": {"store_failure": True}}, outage, False, True),
    "reconciliation.every_s": ({}, {"reconciliation": {"every_s": 20}}, compared, 0, 5),
    "reconciliation.strict": ({}, {"reconciliation": {"strict": True}}, compared_after_an_order, False, True),
    "reconciliation.policy": ({}, {"reconciliation": {"policy": "halt"}}, explained, "1 breaks", "halted"),
    "reconciliation.brokers": (
        {}, {"reconciliation": {"brokers": {"paper": {"every_s": 20}}}}, compared, 0, 5,
    ),
    "workers.unfilled_after_s": ({}, {"workers": {"unfilled_after_s": 30}}, overdue(40), 0, 1),
    "nats.partial_fills": (NATS, {"nats": {"partial_fills": False}}, told_of_partial_fills, True, False),
}  # fmt: skip
ELSEWHERE = {
    "alerts",  # tests/integration/test_webhook.py: to a real server
    "fills.look_every_ms",  # test_operational_effects.py: with a class of somebody's own
    "shards.*.limits",  # test_reloading.py: it takes shards
    # test_reloading.py: with the next session
    "brokers.*.latency_ms", "brokers.*.slippage_bps", "brokers.*.fee_bps", "brokers.*.unstake_delay_s",
}  # fmt: skip


@pytest.mark.parametrize("key", EFFECTS)
def test_what_a_key_says_is_in_force_at_once(key: str) -> None:
    base, written, look, before, after = EFFECTS[key]

    async def test(room: Room) -> None:
        assert await look(room, "before") == before
        (changed,) = [one for one in await room.applied(written) if one == key or one.startswith(f"{key}.")]
        assert changed
        assert await look(room, "after") == after

    from ordergate.config.sources import merged

    reloaded(test, merged((BASE if "funds" not in base or base is OTHER else {}, base)))


def test_every_class_that_needs_no_restart_is_looked_at() -> None:
    wanted = {key for key, kind in CLASSES.items() if kind is not KeyClass.RESTART}

    def covers(pattern: str) -> bool:
        parts = pattern.split(".")
        return any(
            all(part in ("*", given) for part, given in zip(parts, key.split("."), strict=False))
            for key in EFFECTS
            if len(key.split(".")) >= len(parts)
        )

    unit = {
        key for key in wanted if key.startswith("instruments.*.")
    }  # refused under orders: test_reloading.py
    assert {key for key in wanted - ELSEWHERE - unit if not covers(key)} == set()
