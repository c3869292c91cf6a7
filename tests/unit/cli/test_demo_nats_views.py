"""What a reader of NATS has beside the journal: each way in which they can differ is found."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from ordergate.adapters.outlets.nats import Dialect, renderers
from ordergate.adapters.outlets.nats.letters import Letter
from ordergate.adapters.outlets.nats.positions import BucketMark, PositionValue, key_of, position_value
from ordergate.api.market import market_of
from ordergate.application.naming import Naming
from ordergate.bootstrap import open_gate
from ordergate.cli.demo_nats_views import (
    Message,
    compare_messages,
    compare_positions,
    entries_of,
    letters_of,
)
from ordergate.config import Config, FundSection
from ordergate.domain.market import Quote
from tests.unit.application.gates import buy

FUND = "paper-momentum"
KEY = key_of(FUND, "AAPL")
CONFIG = Config(funds={FUND: FundSection(unlimited=True)})


@dataclass
class There:
    """What the server has."""

    messages: list[Message]
    bucket: dict[str, PositionValue]
    mark: BucketMark | None
    wanted: list[Letter] = field(default_factory=list)


async def compared(path: Path, spoil: Callable[[There], None]) -> tuple[dict, dict]:
    async with open_gate(CONFIG, f"sqlite:///{path / 'orders.db'}") as gate:
        quote = Quote(symbol="AAPL", time=gate.clock.now(), bid=Decimal(100), ask=Decimal(101))
        await gate.set_quote("paper", quote)
        for number in range(2):
            await gate.execute(buy(f"key-{number}"))
        await gate.quiet()
        name = await Naming(gate.journal, gate.config.audit.origin).name()
        size = (await gate.journal.head()).size
        entries = await entries_of(gate.journal, size)
        dialects = renderers(tuple(Dialect), fund_suffix=False)
        wanted = await letters_of(gate.journal, entries, name, dialects)
        (row,) = await gate.journal.select("positions")
        mark = BucketMark(name.log, name.journal, size - 1)
        value = position_value(row, [], CONFIG.catalogue("AAPL"), market_of(gate), mark)
        came = [Message(one.subject, one.payload, {}, one.id) for one in wanted]
        there = There(came, {KEY: value}, mark, wanted)
        spoil(there)
        held = await compare_positions(gate.journal, entries, name, there.bucket, there.mark)
        return compare_messages(there.messages, wanted), held


def run(path: Path, spoil: Callable[[There], None]) -> tuple[dict, dict]:
    return asyncio.run(asyncio.wait_for(compared(path, spoil), 60))


def test_what_is_as_the_journal_says_agrees(tmp_path: Path) -> None:
    told, held = run(tmp_path, lambda _there: None)
    assert told["agrees"]
    assert held["agrees"]
    (row,) = held["rows"]
    assert (row["quantity"], row["book_quantity"], row["avg_price"]) == ("200", "200", "101")
    assert row["changed_at"] <= row["index"] == held["index"] == held["journal_index"]


def test_what_comes_again_counts_once(tmp_path: Path) -> None:
    told, _held = run(tmp_path, lambda there: there.messages.append(there.messages[0]))
    assert told["agrees"]
    assert told["repeated"] == 1
    assert all(one["messages"] == one["journal"] for one in told["subjects"])


def _change(there: There, **changes) -> None:
    there.messages[3] = replace(there.messages[3], **changes)


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda there: there.messages.pop(), "missing"),
        (lambda there: there.messages.append(Message("ORDER_UPDATE", b"{}", {}, "other/1")), "foreign"),
        (lambda there: there.messages.append(Message("elsewhere", b"{}", {}, "")), "foreign"),
        (lambda there: _change(there, data=b"{}"), "different"),
        (lambda there: _change(there, subject="ORDER_UPDATES"), "different"),
        (lambda there: there.messages.append(replace(there.messages[0], data=b"{}")), "different"),
    ],
)
def test_messages_that_differ(tmp_path: Path, spoil: Callable[[There], None], wrong: str) -> None:
    told, held = run(tmp_path, spoil)
    assert not told["agrees"]
    assert held["agrees"]
    assert [kind for kind in ("missing", "foreign", "different") if told[kind]["count"]] == [wrong]


def _position(there: There, **changes) -> None:
    there.bucket[KEY] = replace(there.bucket[KEY], **changes)


def _mark(there: There, mark: BucketMark | None) -> None:
    there.mark = mark


@pytest.mark.parametrize(
    "spoil",
    [
        lambda there: there.bucket.clear(),
        lambda there: there.bucket.update({key_of(FUND, "MSFT"): there.bucket[KEY]}),
        lambda there: _position(there, quantity=Decimal(199)),
        lambda there: _position(there, avg_price=Decimal("101.1")),
        lambda there: _position(there, avg_price=None),
        lambda there: _position(there, index=1),
        lambda there: _position(there, index=10_000),
        lambda there: _position(there, log="another"),
        lambda there: _position(there, journal="another"),
        lambda there: _mark(there, None),
        lambda there: _mark(there, BucketMark(there.mark.log, there.mark.journal, there.mark.index - 1)),
        lambda there: _mark(there, BucketMark(there.mark.log, "another", there.mark.index)),
    ],
)
def test_positions_that_differ(tmp_path: Path, spoil: Callable[[There], None]) -> None:
    told, held = run(tmp_path, spoil)
    assert told["agrees"]
    assert not held["agrees"]
