"""RSK-20: limits have versions, say who changed what and why, and go back by themselves."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import fields, replace

from ordergate.domain.errors import Code, Conflict, Invalid
from ordergate.domain.instruments import AssetClass
from ordergate.domain.operations import Operation
from ordergate.domain.orders.states import OrderType
from ordergate.domain.risk.commands import ConfigureLimits, SetLimits, ThrowSwitch, ValueFunds
from ordergate.domain.risk.events import LimitsSet
from ordergate.domain.risk.limits import (
    ENVELOPE,
    LEVELS,
    NOTHING,
    PAPER,
    ConfiguredLimits,
    Level,
    Limits,
    LimitSet,
    amended,
    changed,
    check_limits,
    loosened,
)
from tests.unit.domain.risk.limited import NAMES, Limited, stated

TEN, TWENTY = stated(max_order_qty=10), stated(max_order_qty=20)


def command(limits: Limits = TWENTY, level: Level = Level.FUND, **more: Any) -> SetLimits:
    return SetLimits(**{"level": level, "name": NAMES[level], "limits": limits, "reason": "more room"} | more)


def row(book: Limited, level: Level = Level.FUND) -> LimitSet:
    return book.engine.state.limits.rows[level, NAMES[level]]


class TestSetting:
    def test_who_why_old_and_new_stand_in_the_journal(self) -> None:
        book = Limited(TEN).by("ann", command())
        (event,) = book.events
        assert isinstance(event, LimitsSet)
        assert event.before is not None
        assert (event.before.limits, event.before.version, event.before.set_by) == (TEN, 1, "local")
        assert (event.after.limits, event.after.version, event.after.set_by) == (TWENTY, 2, "ann")
        assert (event.after.reason, event.after.set_at, event.changed) == (
            "more room",
            book.now,
            ("max_order_qty",),
        )
        assert book.answer == row(book) == event.after
        assert book.replayed().limits.rows == book.engine.state.limits.rows
        assert book.order_of(20).decision.limits["fund fund"] == 2

    def test_the_same_again_changes_nothing(self) -> None:
        book = Limited(TEN).by("ann", command(TEN))
        assert not book.events
        assert book.answer.version == 1

    def test_by_a_version_that_is_over(self) -> None:
        book = Limited(TEN)
        with pytest.raises(Conflict) as refused:
            book.step(command(version=0))
        assert (refused.value.code, refused.value.pointer) == (Code.LIMITS_VERSION, "#/version")
        book.step(command(version=1))
        with pytest.raises(Conflict):
            book.step(command(TEN, version=1))

    def test_of_a_level_that_had_none(self) -> None:
        book = Limited()
        with pytest.raises(Conflict):
            book.step(command(level=Level.FIRM, version=1))
        assert book.step(command(level=Level.FIRM, version=0)).answer.version == 1

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"reason": " "}, "#/reason"),
            ({"name": "nobody"}, "#/name"),
            ({"level": Level.FIRM, "name": "fund"}, "#/name"),
            ({"level": Level.SYMBOL, "name": "NOSUCH1"}, "#/name"),
            ({"level": Level.BROKER, "name": "nobody"}, "#/name"),
            ({"level": Level.STRATEGY, "name": ""}, "#/name"),
            ({"limits": stated(max_runs=1)}, "#/max_runs"),
            ({"limits": stated(max_position_pct="0.1")}, "#/nav_usd"),
        ],
    )
    def test_what_cannot_be_set(self, changes: dict[str, Any], pointer: str) -> None:
        with pytest.raises(Invalid) as refused:
            Limited().step(replace(command(), **changes))
        assert str(refused.value.pointer).endswith(pointer.removeprefix("#"))


class TestReverting:
    def test_at_its_time_and_not_an_instant_before(self) -> None:
        book = Limited(TEN)
        until = book.now + timedelta(hours=1)
        book.by("ann", command(reverts_at=until))
        assert book.order_of(20).code is None
        book.now = until - timedelta(microseconds=1)
        assert book.quote("AAPL", 100).order_of(20).code is None
        book.now = until
        book.quote("AAPL", 100)
        assert book.order_of(11).code == "RISK_ORDER_QTY", "though nobody has journalled it yet"
        assert book.order_of(10).code is None
        book.step(ValueFunds()).entries.clear()
        assert [type(event) for event in book.events] == [LimitsSet]
        now = row(book)
        assert (now.limits, now.version, now.reverts_at, now.reverts_to) == (TEN, 3, None, None)
        assert "is over" in now.reason
        book.step(ValueFunds())
        assert not book.events

    def test_not_before_its_time(self) -> None:
        book = Limited(TEN).by("ann", command(reverts_at=None))
        book.step(command(TEN, reverts_at=book.now + timedelta(seconds=1)))
        book.step(ValueFunds())
        assert not book.events

    def test_a_change_of_what_is_temporary_goes_back_to_what_counted(self) -> None:
        book = Limited(TEN)
        book.step(command(reverts_at=book.now + timedelta(hours=1)))
        book.later(3_600).step(command(stated(max_order_qty=30), reverts_at=book.now + timedelta(hours=1)))
        assert row(book).reverts_to == TEN

    def test_for_good_over_for_a_while(self) -> None:
        book = Limited(TEN)
        book.step(command(reverts_at=book.now + timedelta(hours=1)))
        book.step(command(TWENTY))
        assert (row(book).reverts_at, row(book).version) == (None, 3)
        book.later(7_200).step(ValueFunds())
        assert row(book).limits == TWENTY

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_a_time_that_is_over(self, seconds: int) -> None:
        book = Limited(TEN)
        with pytest.raises(Invalid) as refused:
            book.step(command(reverts_at=book.now + timedelta(seconds=seconds)))
        assert refused.value.pointer == "#/reverts_at"

    def test_what_was_tightened_for_a_while_is_not_loosened_by_a_halt_s_end_alone(self) -> None:
        """A halt forbids persons to loosen; a change that said when it ends has said so before."""
        book = Limited(TWENTY)
        book.step(command(TEN, reverts_at=book.now + timedelta(seconds=10)))
        book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill"))
        book.later(10).step(ValueFunds())
        assert row(book).limits == TWENTY
        assert book.order_of(1).code == "RISK_HALTED"


class TestConfiguration:
    def configure(self, book: Limited, limits: Limits, level: Level = Level.FUND) -> Limited:
        book.step(ConfigureLimits((ConfiguredLimits(level=level, name=NAMES[level], limits=limits),)))
        return book

    def test_an_unchanged_file_keeps_what_was_set_by_command(self) -> None:
        book = self.configure(Limited(), TEN).by("ann", command())
        assert (row(book).configured, row(book).version) == (TEN, 3)
        self.configure(book, TEN)
        assert not book.events
        assert row(book).limits == TWENTY

    def test_a_changed_file_wins(self) -> None:
        book = self.configure(Limited(), TEN).by("ann", command())
        self.configure(book, stated(max_order_qty=15))
        assert (row(book).limits.max_order_qty, row(book).version) == (Decimal(15), 4)
        assert row(book).reason == "configuration"

    def test_over_a_change_for_a_while(self) -> None:
        book = self.configure(Limited(), TEN)
        book.step(command(reverts_at=book.now + timedelta(seconds=1)))
        self.configure(book, stated(max_order_qty=5))
        book.later(2).step(ValueFunds())
        assert row(book).limits.max_order_qty == 5

    @pytest.mark.parametrize("level", list(Level))
    def test_of_every_level(self, level: Level) -> None:
        book = self.configure(Limited(), TEN, level)
        assert book.quote("AAPL", 100).order_of(11).code == "RISK_ORDER_QTY"

    def test_it_loosens_nothing_during_a_halt_and_does_so_at_the_next_start(self) -> None:
        book = self.configure(Limited(), TEN)
        book.by("ann", ThrowSwitch(level=Level.FUND, name="fund", reason="drill"))
        self.configure(book, TWENTY)
        assert not book.events
        self.configure(book, stated(max_order_qty=5))
        assert row(book).limits.max_order_qty == 5

    def test_what_no_level_knows(self) -> None:
        with pytest.raises(Invalid):
            self.configure(Limited(), stated(max_runs=3))


class TestNumbers:
    @pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity", "-1", "-0.000001", "1E+30"])
    @pytest.mark.parametrize("name", ["nav_usd", "max_order_qty", "price_collar_pct", "max_leverage"])
    def test_none_is_taken(self, number: str, name: str) -> None:
        limits = Limits(**{"nav_usd": Decimal(1), name: Decimal(number)})
        with pytest.raises(Invalid) as refused:
            check_limits(Level.FUND, limits, "#/limits")
        assert (refused.value.code, refused.value.pointer) == (Code.BAD_NUMBER, f"#/limits/{name}")

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-1", "0"])
    def test_of_leverage(self, number: str) -> None:
        with pytest.raises(Invalid) as refused:
            check_limits(Level.FUND, Limits(nav_usd=Decimal(1), leverage={AssetClass.FX: Decimal(number)}))
        assert refused.value.pointer == "#/leverage"

    @pytest.mark.parametrize("name", ["max_runs", "max_orders_per_s", "max_messages_per_s", "cancel_reserve"])
    def test_whole_numbers_below_zero(self, name: str) -> None:
        level = Level.STRATEGY
        with pytest.raises(Invalid) as refused:
            check_limits(level, Limits(**{name: -1}))
        assert (refused.value.code, refused.value.pointer) == (Code.BAD_NUMBER, f"#/{name}")
        check_limits(level, Limits(**{name: 0}))

    @pytest.mark.parametrize("name", ["nav_usd", "approval_timeout_s", "max_quote_age_s"])
    def test_what_must_be_above_zero(self, name: str) -> None:
        with pytest.raises(Invalid) as refused:
            check_limits(Level.FUND, stated(**{name: 0}))
        assert refused.value.code is Code.NOT_POSITIVE

    def test_nothing_at_all_may_be_allowed(self) -> None:
        assert Limited(stated(max_order_qty=0)).order_of(1).code == "RISK_ORDER_QTY"

    def test_unknown_names(self) -> None:
        with pytest.raises(msgspec.ValidationError, match="max_order_quantity"):
            msgspec.convert({"max_order_quantity": 1}, Limits)

    @pytest.mark.parametrize("level", list(Level))
    @pytest.mark.parametrize("field", fields(Limits), ids=lambda field: field.name)
    def test_each_level_knows_its_own(self, level: Level, field: Any) -> None:
        limits = Limits(**{"nav_usd": Decimal(1)} if level is Level.FUND else {}, **SOME[field.name]) if (
            field.name != "nav_usd"
        ) else stated(nav_usd=1)  # fmt: skip
        if field.name in LEVELS[level]:
            check_limits(level, limits)
        else:
            with pytest.raises(Invalid) as refused:
                check_limits(level, limits)
            assert (refused.value.code, refused.value.pointer) == (Code.UNKNOWN_FIELD, f"#/{field.name}")

    @pytest.mark.parametrize("limits", [PAPER, replace(ENVELOPE, nav_usd=Decimal(1))])
    def test_the_built_in_ones_are_right(self, limits: Limits) -> None:
        check_limits(Level.FUND, limits)


class Change(msgspec.Struct, frozen=True):
    """A limit's value, and one that lets more through."""

    tight: Any
    loose: Any


_STRICTER_IF_MORE = ("cancel_reserve", "duplicate_window_s")
CHANGES: dict[str, Change] = {
    field.name: Change(10, 11)
    for field in fields(Limits)
    if field.name.startswith("max_") or field.name.endswith("_pct")
} | {
    "nav_usd": Change(Decimal(10), Decimal(11)),
    "cancel_reserve": Change(2, 1),
    "duplicate_window_s": Change(2, 1),
    "approve_above_usd": Change(Decimal(10), Decimal(11)),
    "leverage": Change({AssetClass.FX: Decimal(30)}, {AssetClass.FX: Decimal(31)}),
    "allowed_brokers": Change(("a",), ("a", "b")),
    "allowed_operations": Change((Operation.SUPPLY,), (Operation.SUPPLY, Operation.REPAY)),
    "allowed_order_types": Change((OrderType.LIMIT,), (OrderType.LIMIT, OrderType.MARKET)),
    "allowed_asset_classes": Change((AssetClass.FX,), (AssetClass.METALS,)),
    "restricted_symbols": Change(("A", "B"), ("A", "C")),
    "gates": Change(("house", "bank"), ("house",)),
    "enable_shorting": Change(False, True),
}
SOME = {name: {name: change.tight} for name, change in CHANGES.items()} | {
    "approval_timeout_s": {"approval_timeout_s": 5}
}


class TestLoosened:
    def test_every_limit_is_here(self) -> None:
        assert set(CHANGES) | {"approval_timeout_s"} == {field.name for field in fields(Limits)}

    @pytest.mark.parametrize(("name", "change"), list(CHANGES.items()))
    def test_in_both_directions(self, name: str, change: Change) -> None:
        tight, loose = Limits(**{name: change.tight}), Limits(**{name: change.loose})
        assert loosened(tight, loose) == [name]
        assert loosened(tight, tight) == []
        both = name in ("allowed_asset_classes", "restricted_symbols")  # neither holds the other
        assert loosened(loose, tight) == ([name] if both else [])

    @pytest.mark.parametrize(("name", "change"), list(CHANGES.items()))
    def test_taken_away_and_newly_set(self, name: str, change: Change) -> None:
        some = Limits(**{name: change.tight})
        more = name == "leverage"  # without it everything is paid in full
        assert loosened(some, NOTHING) == ([] if more else [name])
        assert loosened(NOTHING, some) == ([name] if more else [])

    def test_how_long_a_person_may_take_lets_nothing_through(self) -> None:
        assert loosened(stated(approval_timeout_s=1), stated(approval_timeout_s=2)) == []

    def test_a_quote_that_may_be_older_than_the_default(self) -> None:
        assert loosened(NOTHING, stated(max_quote_age_s=61)) == ["max_quote_age_s"]
        assert loosened(NOTHING, stated(max_quote_age_s=60)) == []
        assert loosened(stated(max_quote_age_s=90), NOTHING) == []

    def test_what_differs_and_what_becomes_of_it(self) -> None:
        both = stated(max_order_qty=1, max_order_notional_usd=2)
        assert changed(NOTHING, both) == ("max_order_notional_usd", "max_order_qty")
        assert amended(both, {"max_order_qty": None, "max_runs": 3}) == stated(
            max_order_notional_usd=2, max_runs=3
        )
