"""RSK-27: a strategy that has given no sign of life for too long is halted, once for each silence."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from ordergate.application.entry import Origin
from ordergate.domain.book import Strategy
from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.orders.states import RequestKind
from ordergate.domain.risk.commands import (
    EnableStrategy,
    Heartbeat,
    LiftHalt,
    SetLimits,
    ThrowSwitch,
    ValueFunds,
)
from ordergate.domain.risk.events import StrategySeen, TradingHalted
from ordergate.domain.risk.kill_switch import Halt, Mode, Trigger
from ordergate.domain.risk.limits import Level, Limits, loosened
from tests.unit.domain.risk.limited import Limited, stated

MOST_S = 60
MICROSECOND = timedelta(microseconds=1)
TREND = (Level.STRATEGY, "trend")


def watched(**more: Any) -> Limited:
    return Limited(strategy=Limits(max_silence_s=MOST_S, **more))


def beat(book: Limited, strategy_id: str = "trend") -> Limited:
    book.step(Heartbeat(strategy_id=strategy_id))
    return book


def row(book: Limited, strategy_id: str = "trend") -> Strategy | None:
    return book.engine.state.strategies.get(strategy_id)


def seen(book: Limited) -> datetime:
    known = row(book)
    assert known is not None
    assert known.seen_at is not None
    return known.seen_at


def halt(book: Limited) -> Halt | None:
    """Of the strategy, once time has done what it brings."""
    due = book.engine.is_due(book.now)
    holding = any(one.holds for one in book.engine.state.halts.rows.values())
    book.step(ValueFunds())
    assert due or not book.events, "what is not due is not done"
    assert not (due and not book.events and not holding), "what is due is done"
    found = book.engine.state.halts.get(TREND)
    return found if found is not None and found.holds else None


def at(book: Limited, seconds: float, *, less: timedelta = timedelta(0)) -> Limited:
    """So long after the last sign of life."""
    book.now = seen(book) + timedelta(seconds=seconds) - less
    return book


def lift(book: Limited) -> Limited:
    return book.by("bob", LiftHalt(level=Level.STRATEGY, name="trend", reason="it runs again"))


class TestTheSwitch:
    def test_the_boundary(self) -> None:
        book = beat(watched())
        assert halt(at(book, MOST_S, less=MICROSECOND)) is None
        thrown = halt(at(book, MOST_S))
        assert thrown is not None
        assert (thrown.mode, thrown.trigger, thrown.by) == (Mode.HALT, Trigger.SILENCE, "trigger/silence")
        assert "max_silence_s is 60" in thrown.reason
        assert book.order_of(1).code == "RISK_HALTED"
        assert book.order_of(1, strategy_id="carry").code is None

    def test_what_works_is_canceled(self) -> None:
        book = watched().order_of(5, limit=90)
        assert halt(at(book, MOST_S)) is not None
        assert book.order.open_request(RequestKind.CANCEL) is not None

    def test_a_limit_arms_nothing(self) -> None:
        book = watched().later(10**6)
        assert halt(book) is None
        assert row(book) is None

    @pytest.mark.parametrize("quantity", [10, 11])
    def test_an_order_is_a_sign_of_life_also_one_that_is_refused(self, quantity: int) -> None:
        book = watched(max_order_qty=stated(max_order_qty=10).max_order_qty).order_of(quantity)
        assert (book.code is None) is (quantity == 10)
        assert seen(book) == book.order.created_at
        at(book, MOST_S - 1).order_of(quantity)
        assert halt(at(book, MOST_S, less=MICROSECOND)) is None
        assert halt(at(book, MOST_S)) is not None

    def test_the_orders_of_others_are_none(self) -> None:
        book = beat(watched())
        before = seen(book)
        book.later(30).order_of(1, strategy_id="carry").submit(1)
        assert seen(book) == before
        assert row(book, "carry") is None, "what nobody watches is not kept"

    def test_a_strategy_without_the_limit_costs_nothing(self) -> None:
        book = Limited(strategy=Limits(max_runs=9)).order_of(1)
        assert row(book) == Strategy(strategy_id="trend", runs=1)

    def test_one_silence_halts_once(self) -> None:
        book = beat(watched())
        assert halt(at(book, MOST_S)) is not None
        lift(book).later(10**6)
        assert halt(book) is None
        book.step(ValueFunds())
        assert len([e for e in book.entries if isinstance(e.event, TradingHalted)]) == 1
        assert halt(at(beat(book), MOST_S)) is not None, "the next sign of life begins anew"

    def test_a_sign_of_life_does_not_lift_the_halt_and_begins_anew_once_it_is_lifted(self) -> None:
        book = beat(watched())
        assert halt(at(book, MOST_S)) is not None
        beat(book.later(1))
        assert halt(book.later(10**4)) is not None
        assert len([e for e in book.entries if isinstance(e.event, TradingHalted)]) == 1
        assert halt(lift(book).later(10**4)) is None, "lifted since its last sign of life"

    def test_a_halt_that_a_person_throws_during_the_silence_is_enough(self) -> None:
        book = beat(watched())
        person = ThrowSwitch(level=Level.STRATEGY, name="trend", reason="drill", mode=Mode.REDUCE_ONLY)
        book.later(1).by("ann", person)
        thrown = halt(at(book, MOST_S))
        assert thrown is not None
        assert (thrown.by, thrown.mode) == ("ann", Mode.REDUCE_ONLY)

    def test_a_halt_from_before_the_sign_of_life_holds_and_one_that_lets_reduce_is_tightened(self) -> None:
        for mode, by in ((Mode.HALT, "ann"), (Mode.REDUCE_ONLY, "trigger/silence")):
            book = watched()
            book.by("ann", ThrowSwitch(level=Level.STRATEGY, name="trend", reason="drill", mode=mode))
            thrown = halt(at(beat(book.later(1)), MOST_S))
            assert thrown is not None
            assert (thrown.by, thrown.mode) == (by, Mode.HALT)

    def test_halts_of_other_scopes_are_not_its_own(self) -> None:
        book = beat(watched())
        book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill"))
        assert halt(at(book, MOST_S)) is not None


class TestHeartbeats:
    @pytest.mark.parametrize("limits", [Limits(), Limits(max_runs=3)])
    def test_a_strategy_that_may_be_silent_is_told_what_to_set(self, limits: Limits) -> None:
        with pytest.raises(Conflict) as refused:
            beat(Limited(strategy=limits))
        assert (refused.value.code, refused.value.pointer) == (Code.NOT_WATCHED, "#/strategy_id")
        assert "'trend'" in refused.value.detail
        assert "max_silence_s" in refused.value.detail

    def test_of_a_strategy_that_nobody_knows(self) -> None:
        with pytest.raises(Conflict):
            beat(Limited(), "nobody")

    def test_within_a_tenth_it_is_taken_and_not_written(self) -> None:
        book = beat(watched())
        assert [type(event) for event in book.events] == [StrategySeen]
        first = seen(book)
        assert book.answer == row(book)
        beat(at(book, MOST_S / 10, less=MICROSECOND))
        assert (book.events, seen(book)) == ([], first)
        assert book.answer == row(book)
        beat(at(book, MOST_S / 10))
        assert [type(event) for event in book.events] == [StrategySeen]
        assert seen(book) == first + timedelta(seconds=MOST_S / 10)

    def test_shortly_after_an_order_it_is_not_written_either(self) -> None:
        assert beat(watched().order_of(1)).events == []

    def test_after_a_halt_the_first_is_written_and_the_next_not(self) -> None:
        book = beat(watched())
        book.by("ann", ThrowSwitch(level=Level.STRATEGY, name="trend", reason="drill"))
        assert beat(book.later(1)).events
        assert not beat(book.later(1)).events
        assert beat(lift(book).later(1)).events
        assert not beat(book.later(1)).events

    def test_a_preview_is_no_sign_of_life(self) -> None:
        book = watched()
        book.engine.preview(Heartbeat(strategy_id="trend"), book.now, Origin())
        assert row(book) is None

    def test_it_survives_a_replay(self) -> None:
        book = beat(watched())
        assert book.replayed().strategies.rows == book.engine.state.strategies.rows
        book.later(7).order_of(1)
        assert book.replayed().strategies.rows == book.engine.state.strategies.rows


class TestTheLimit:
    def test_it_is_above_zero(self) -> None:
        with pytest.raises(Invalid, match="above zero"):
            Limited(strategy=Limits(max_silence_s=0))

    @pytest.mark.parametrize("level", [level for level in Level if level is not Level.STRATEGY])
    def test_only_strategies_have_it(self, level: Level) -> None:
        with pytest.raises(Invalid, match="no such limit"):
            Limited().limits(Limits(max_silence_s=1), level)

    @pytest.mark.parametrize(
        ("before", "after", "looser"), [(60, 61, True), (60, None, True), (60, 59, False), (None, 60, False), (60, 60, False)]
    )  # fmt: skip
    def test_longer_or_for_ever_is_looser(self, before: int | None, after: int | None, looser: bool) -> None:
        found = loosened(Limits(max_silence_s=before), Limits(max_silence_s=after))
        assert found == (["max_silence_s"] if looser else [])

    def test_it_is_not_loosened_while_the_strategy_is_halted(self) -> None:
        book = beat(watched())
        assert halt(at(book, MOST_S)) is not None
        with pytest.raises(Conflict, match="loosened"):
            book.limits(Limits(), Level.STRATEGY)

    def test_tightened_it_counts_at_once(self) -> None:
        book = beat(watched()).later(20).limits(Limits(max_silence_s=10), Level.STRATEGY)
        assert halt(book) is not None

    def test_taken_away_and_set_again_it_waits_for_a_sign_of_life(self) -> None:
        book = beat(watched())
        book.limits(Limits(max_runs=3), Level.STRATEGY)
        assert row(book) == Strategy(strategy_id="trend")
        book.limits(Limits(max_silence_s=MOST_S), Level.STRATEGY).later(10**4)
        assert halt(book) is None
        assert halt(at(beat(book), MOST_S)) is not None

    def test_another_limit_that_changes_leaves_the_sign_of_life(self) -> None:
        book = beat(watched())
        before = seen(book)
        book.later(5).limits(Limits(max_silence_s=90, max_runs=3), Level.STRATEGY)
        assert seen(book) == before

    def test_taken_away_for_a_while_signs_of_life_are_kept(self) -> None:
        book = beat(watched())
        until = book.now + timedelta(seconds=600)
        change = SetLimits(
            level=Level.STRATEGY, name="trend", limits=Limits(), reason="slow", reverts_at=until
        )
        book.step(change)
        assert halt(book.later(300)) is None
        assert beat(book.later(280)).events
        book.now = until
        assert halt(book) is None
        assert halt(at(book, MOST_S)) is not None

    def test_set_for_a_while_it_is_over_then(self) -> None:
        book = Limited()
        until = book.now + timedelta(seconds=100)
        limits = Limits(max_silence_s=MOST_S)
        book.step(
            SetLimits(level=Level.STRATEGY, name="trend", limits=limits, reason="now", reverts_at=until)
        )
        beat(book.later(90))
        assert halt(at(book, MOST_S)) is None
        assert row(book) == Strategy(strategy_id="trend")
        with pytest.raises(Conflict):
            beat(book)

    def test_enabling_leaves_the_sign_of_life(self) -> None:
        book = watched(max_runs=1).order_of(1)
        before = seen(book)
        book.later(1).by("ann", EnableStrategy(strategy_id="trend", reason="meant"))
        known = row(book)
        assert known is not None
        assert (known.runs, known.enabled_by, known.seen_at) == (0, "ann", before)
