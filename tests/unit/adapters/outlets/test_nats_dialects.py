"""Every state and every event in every dialect, by tables written for the test; and every message by its schema."""

import asyncio
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import get_args

import jsonschema_rs
import msgspec
import pytest
from tests.journals.older import busy

from ordergate.adapters.outlets.nats import dialects, schema
from ordergate.adapters.outlets.nats.dialects import Dialect, renderers, subjects
from ordergate.application.alerting import alert_of
from ordergate.application.entry import Entry, decode, encode
from ordergate.application.naming import LogName
from ordergate.application.telling import Teller, Told
from ordergate.domain import moving as m
from ordergate.domain.configuration import ConfigurationChanged
from ordergate.domain.contingencies.events import CloseCut, ProtectionFailed
from ordergate.domain.events import AnyEvent
from ordergate.domain.orders import events as e
from ordergate.domain.orders.decision import RiskDecision
from ordergate.domain.orders.order import Order
from ordergate.domain.orders.parent_events import ChildMoved, WorkStopped
from ordergate.domain.orders.rerouting import OrderRerouted
from ordergate.domain.orders.states import Delay, OrderType, Remedy, Side, State, TimeInForce
from ordergate.domain.recon import events as n
from ordergate.domain.risk import events as k

LOG = LogName("oms.example/journal", "01234567")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)

STATES = {
    # state: verb of mts and its word, status of orders, word of updates
    State.CREATED: ("created", "CREATED", "PENDING", "RECEIVED"),
    State.PENDING_RISK: ("created", "PENDING_RISK", "PENDING", "RECEIVED"),
    State.ACCEPTED: ("accepted", "ACCEPTED", "PENDING", "VALIDATED"),
    State.SUBMITTED: ("submitted", "SUBMITTED", "SUBMITTED", "SUBMITTED"),
    State.PARTIALLY_FILLED: ("partial", "PARTIAL", "PARTIALLY_FILLED", "SUBMITTED"),
    State.FILLED: ("filled", "FILLED", "FILLED", "FILLED"),
    State.CLOSED: ("closed", "CLOSED", "FILLED", "CLOSED"),
    State.CANCELED: ("canceled", "CANCELED", "CANCELLED", "FAILED"),
    State.REJECTED: ("rejected", "REJECTED", "REJECTED", "REJECTED"),
    State.EXPIRED: ("canceled", "EXPIRED", "CANCELLED", "FAILED"),
    State.FAILED: ("canceled", "FAILED", "FAILED", "FAILED"),
}

FILL, ORDER, OTHER = "an execution", "an order, not executed", "no order's life"
EVENTS = {
    e.OrderEntered: ORDER, e.OrderJudged: ORDER, e.OrderAdopted: ORDER, e.OrderAdvanced: ORDER, e.GateAnswered: ORDER,
    e.OrderSent: ORDER, e.SendDisproved: ORDER, OrderRerouted: ORDER, e.OrderAcknowledged: ORDER, e.OrderMarked: ORDER,
    e.RequestOpened: ORDER, e.ReplaceRefused: ORDER, e.RequestDoubted: ORDER, e.RequestDropped: ORDER,
    e.OrderReplaced: ORDER, e.OrderRestated: ORDER, e.OrderCanceled: ORDER, e.OrderRejected: ORDER,
    e.OrderExpired: ORDER, e.OrderFailed: ORDER, e.OrderClosed: ORDER, e.OrderConfirmed: ORDER, e.OrderOverdue: ORDER,
    e.SlippageExceeded: ORDER, k.OverrideAsked: ORDER, k.OverrideAnswered: ORDER,
    e.OrderFilled: FILL, e.FillCorrected: FILL, e.FillBusted: FILL,
    e.FundConfigured: OTHER, e.InstrumentDefined: OTHER, e.SessionOpened: OTHER, e.SignalRefused: OTHER,
    e.BreakRaised: OTHER, n.BreakChanged: OTHER, n.BreakAssigned: OTHER, n.BreakResolved: OTHER,
    n.PositionAdjusted: OTHER, k.LimitsSet: OTHER, k.TradingHalted: OTHER, k.TradingResumed: OTHER,
    k.StrategyEnabled: OTHER, k.StrategySeen: OTHER, k.FundValued: OTHER, m.FundExpected: OTHER, m.FundLeft: OTHER,
    m.FundArrived: OTHER, m.KeysArrived: OTHER, m.FundOpened: OTHER, ProtectionFailed: OTHER,
    CloseCut: OTHER, ConfigurationChanged: OTHER, ChildMoved: ORDER, WorkStopped: ORDER,
}  # fmt: skip
FILL_SUBJECTS = {
    e.OrderFilled: "mts.v1.oms.fills.created",
    e.FillCorrected: "mts.v1.oms.fills.corrected",
    e.FillBusted: "mts.v1.oms.fills.busted",
}


def order(state: State = State.SUBMITTED, **changes) -> Order:
    given = {
        "order_id": "ord-1", "fund_id": "alpha", "symbol": "BTC/USDT", "side": Side.BUY, "quantity": Decimal("0.5"),
        "order_type": OrderType.LIMIT, "tif": TimeInForce.DAY, "broker": "paper", "state": state, "created_at": NOW,
        "updated_at": NOW, "limit_price": Decimal("64000.01"),
    }  # fmt: skip
    return Order(**(given | changes))


def told(event, before: State | None = State.SUBMITTED, after: State | None = None, **changes) -> Told:
    entry = Entry(index=7, time=NOW, actor="a", principal="p", source="s", event=event)
    state = after or (event.path[-1] if event.path else before)
    return Told(entry, order(state, **changes), before)


BY_HAND = [
    told(e.OrderAdvanced(order_id="ord-1", path=(State.ACCEPTED,), times=(NOW,)), before=State.PENDING_RISK),
    told(
        e.GateAnswered(
            order_id="ord-1", path=(State.ACCEPTED,), times=(NOW,), gate="g", approved=True, number=1
        ),
        before=State.PENDING_RISK,
    ),
    told(e.ReplaceRefused(order_id="ord-1", decision=RiskDecision(gate="margin"), quantity=Decimal(9))),
    told(e.OrderOverdue(order_id="ord-1", why=Delay.UNFILLED, since=NOW, remedy=Remedy.ALERT)),
    told(
        e.SlippageExceeded(order_id="ord-1", fill_id="f", price=Decimal(2), benchmark=Decimal(1)),
        before=State.FILLED,
    ),
    Told(
        Entry(
            index=7, time=NOW, actor="a", principal="p", source="s",
            event=ProtectionFailed(
                order_id="ord-1", fund_id="alpha", symbol="BTC/USDT", quantity=Decimal(1), stop_price=Decimal(1),
                code="MARGIN", reason="too little",
            ),
        )
    ),
    Told(
        Entry(
            index=7, time=NOW, actor="a", principal="p", source="s",
            event=CloseCut(
                order_id="ord-1", fund_id="alpha", symbol="BTC/USDT", quantity=Decimal(1), keep=Decimal(0),
                code="RISK_SHORTING", reason="no shorts",
            ),
        )
    ),
]  # fmt: skip
"""Of the kinds that a busy day has none of."""


@cache
def day() -> list[Told]:
    async def main() -> list[Told]:
        journal = await busy(2_500)
        size = (await journal.head()).size
        lines = await journal.lines(0, size)
        return await Teller(journal).tell([decode(line.data, index) for index, line in enumerate(lines)])

    return [*asyncio.run(main()), *BY_HAND]


@cache
def by_kind() -> dict[type, list[Told]]:
    found = defaultdict(list)
    for one in day():
        found[type(one.entry.event)].append(one)
    return found


@pytest.mark.slow
def test_the_tables_are_whole() -> None:
    """A new state or kind of event fails here until somebody says where its place is."""
    assert set(STATES) == set(State)
    assert set(EVENTS) == set(get_args(AnyEvent))
    assert set(by_kind()) == set(get_args(AnyEvent))


@pytest.mark.parametrize("state", State)
def test_every_state_in_every_dialect(state: State) -> None:
    verb, word, status, update = STATES[state]
    before = State.SUBMITTED
    one = told(e.OrderClosed(order_id="ord-1", path=(state,), times=(NOW + timedelta(seconds=1),)), before)
    (mts,) = dialects.mts(one, LOG)
    (orders,) = dialects.orders(one, LOG)
    (updates,) = dialects.updates(one, LOG)
    assert mts.subject == f"mts.v1.oms.orders.{verb}"
    assert orders.subject == f"orders.{status.lower()}.BTC=2FUSDT"
    assert updates.subject == "ORDER_UPDATE"
    for letter, expected in ((mts, word), (orders, status), (updates, update)):
        body = json.loads(letter.payload)
        assert (body["status"], body["order_state"], body["symbol"]) == (expected, state, "BTC/USDT")
        assert body["previous_status"] == "SUBMITTED"
        assert body["time"] == "2026-03-02T15:00:01Z"
    assert json.loads(mts.payload)["state"] == word


def said(passed: list[tuple[State | None, State]], word: int, executed: bool) -> list[State]:
    """The states whose word is not the one before, from one to the next; the first also for what was executed."""
    return [
        state
        for number, (before, state) in enumerate(passed)
        if before in (None, state) or STATES[before][word] != STATES[state][word] or (executed and not number)
    ]


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_every_event_in_every_dialect(kind: type) -> None:
    for one in by_kind()[kind]:
        event, path = one.entry.event, getattr(one.entry.event, "path", ())
        words = [STATES[state] for state in path]
        passed = list(zip((one.before, *path), path, strict=False))
        standing = [] if one.order is None else [STATES[one.order.state]]
        symbol = "" if one.order is None else one.order.symbol.replace("/", "=2F")
        fills = [FILL_SUBJECTS[kind]] if EVENTS[kind] == FILL else []
        changes = standing if EVENTS[kind] != OTHER else []
        assert [letter.subject for letter in dialects.mts(one, LOG)] == [
            *fills,
            *(f"mts.v1.oms.orders.{STATES[state][0]}" for state in said(passed, 0, bool(fills))),
        ]
        assert [letter.subject for letter in dialects.orders(one, LOG)] == [
            f"orders.{status.lower()}.{symbol}"
            for _v, _w, status, _u in [STATES[state] for state in said(passed, 2, bool(fills))]
            or (standing if fills else [])
        ]
        updates = [json.loads(letter.payload) for letter in dialects.updates(one, LOG)]
        assert [body["status"] for body in updates] == [update for *_rest, update in words or changes]
        (entry,) = dialects.events(one, LOG)
        assert entry.subject.rpartition(".")[2] == kind.__name__
        assert entry.payload == encode(one.entry).data
        assert isinstance(event, e.OrderEvent) == (EVENTS[kind] != OTHER)


def test_the_entry_is_published_in_the_bytes_that_the_journal_has() -> None:
    async def main() -> None:
        journal = await busy()
        lines = await journal.lines(0, (await journal.head()).size)
        for index, line in enumerate(lines):
            (letter,) = dialects.events(Told(decode(line.data, index)), LOG)
            assert letter.payload == line.data

    asyncio.run(main())


def test_a_path_is_told_state_by_state_and_an_execution_once() -> None:
    long = max(by_kind()[e.OrderEntered], key=lambda one: len(one.entry.event.path))
    bodies = [json.loads(letter.payload) for letter in dialects.mts(long, LOG)]
    assert [body["status"] for body in bodies] == ["CREATED", "ACCEPTED", "SUBMITTED"]
    assert [body["previous_status"] for body in bodies] == [None, "PENDING_RISK", "ACCEPTED"]
    times = [body["time"] for body in bodies]
    assert times == sorted(set(times))
    closing = next(one for one in by_kind()[e.OrderFilled] if State.CLOSED in one.entry.event.path)
    first, *others = [json.loads(letter.payload) for letter in dialects.updates(closing, LOG)]
    assert first["fill"]["fill_id"] == closing.entry.event.fill.exec_id
    assert [body["fill"] for body in others] == [None] * len(others)
    assert others
    (filled,) = [json.loads(letter.payload) for letter in dialects.orders(closing, LOG)]
    assert (filled["status"], filled["fill"]) == ("FILLED", first["fill"])


def test_a_fill_after_the_end_is_told_under_the_state_that_stays() -> None:
    late = [one for one in by_kind()[e.OrderFilled] if not one.entry.event.path]
    assert late
    for one in late:
        (body,) = [json.loads(letter.payload) for letter in dialects.orders(one, LOG)]
        assert body["status"] == body["previous_status"] == STATES[one.order.state][2]
        assert body["fill"]["late"] == one.entry.event.fill.late


def test_who_adds_up_what_was_created_and_corrects_has_what_the_journal_has() -> None:
    """The consumer's view of fills: by id, corrected and busted as told."""
    bodies: dict[tuple[str, str], dict] = {}
    for one in day():
        for letter in dialects.mts(one, LOG):
            if ".fills." in letter.subject:
                body = json.loads(letter.payload)
                bodies[body["order_id"], body["fill_id"]] = body
    replaced = {
        (body["order_id"], body["refers_to"])
        for body in bodies.values()
        if body["kind"] in ("correct", "bust")
    }
    filled = defaultdict(Decimal)
    for (order_id, fill_id), body in bodies.items():
        if (order_id, fill_id) not in replaced:
            filled[order_id] += Decimal(body["quantity"])
    last = {one.order.order_id: one.order for one in day() if one.order is not None}
    simple = [
        known
        for known in last.values()
        if known.ratio == 1 and known.algo is None and known.order_id not in chained(bodies)
    ]
    assert len(simple) > 100
    for known in simple:
        assert filled[known.order_id] == known.filled_quantity, known.order_id


def chained(bodies: dict) -> set[str]:
    """Orders of which two executions speak for the same trade: which counts is told by time, not by this test."""
    seen, found = set(), set()
    for (order_id, _fill), body in bodies.items():
        if body["refers_to"] is not None:
            if (order_id, body["refers_to"]) in seen:
                found.add(order_id)
            seen.add((order_id, body["refers_to"]))
    return found


def test_ids_are_different_for_all_and_the_same_when_told_again() -> None:
    render = renderers(tuple(Dialect), fund_suffix=False)
    first = [letter.id for one in day()[: -len(BY_HAND)] for make in render for letter in make(one, LOG)]
    again = [letter.id for one in day()[: -len(BY_HAND)] for make in render for letter in make(one, LOG)]
    assert len(set(first)) == len(first)
    assert first == again
    assert all(one.startswith("oms.example/journal/01234567/") for one in first)


def test_orders_and_fills_name_the_manager_that_emitted_them() -> None:
    letters = [letter for one in day() for letter in dialects.mts(one, LOG)]
    named = {"fills" in letter.subject for letter in letters if json.loads(letter.payload)["order_manager"]}
    assert named == {True, False}


def test_every_message_is_as_its_schema_says() -> None:
    """Also the schema refuses what is wrong."""
    document = schema.document()
    named = {kind.__name__: _validator(document, kind.__name__) for _subject, kind in schema.PUBLISHED}
    count = 0
    for one in day():
        for dialect, name in ((dialects.orders, "OrdersStatus"), (dialects.updates, "OrderUpdate")):
            for letter in dialect(one, LOG):
                named[name].validate(json.loads(letter.payload))
                count += 1
        for letter in dialects.mts(one, LOG):
            named["MtsFill" if ".fills." in letter.subject else "MtsOrder"].validate(
                json.loads(letter.payload)
            )
        for letter in dialects.events(one, LOG):
            named["Entry"].validate(json.loads(letter.payload))
        alert = alert_of(one.entry, LOG)
        if alert is not None:
            named["Alert"].validate(msgspec.to_builtins(alert))
    assert count > 1_000
    wrong = next(json.loads(letter.payload) for one in day() for letter in dialects.orders(one, LOG))
    for change in (
        {"quantity": 0.5},
        {"quantity": "1E+3"},
        {"status": "CANCELED"},
        {"index": None},
        {"time": None},
    ):
        assert not named["OrdersStatus"].is_valid(wrong | change), change


def _validator(document: dict, name: str):
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{name}", "$defs": document["$defs"]})


def test_what_is_published_has_a_stream() -> None:
    for fund_suffix in (False, True):
        taken = subjects(tuple(Dialect), fund_suffix=fund_suffix)
        for one in day():
            for make in renderers(tuple(Dialect), fund_suffix=fund_suffix):
                for letter in make(one, LOG):
                    assert any(_matches(letter.subject, pattern) for pattern in taken), letter.subject


def _matches(subject: str, pattern: str) -> bool:
    have, want = subject.split("."), pattern.split(".")
    return len(have) == len(want) and all(w in ("*", h) for h, w in zip(have, want, strict=True))


def test_the_fund_ends_the_subject_where_that_is_asked() -> None:
    (letter,) = dialects.mts(
        told(BY_HAND[0].entry.event, State.PENDING_RISK, fund_id="a.b"), LOG, fund_suffix=True
    )
    assert letter.subject == "mts.v1.oms.orders.accepted.fund.a=2Eb"


def test_a_fund_cannot_pass_for_no_fund() -> None:
    (letter,) = dialects.events(told(BY_HAND[0].entry.event, State.PENDING_RISK, fund_id="_"), LOG)
    assert letter.subject == "ordergate.v1.evt.=5F.OrderAdvanced"
