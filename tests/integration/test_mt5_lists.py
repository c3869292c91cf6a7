"""Lists of the terminal, which are asked for with their counts: something may come or go between the two questions."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ordergate.adapters.brokers.mt5.agent.port import OURS, Hello, Reply
from ordergate.adapters.brokers.mt5.link import Failed, Link
from ordergate.adapters.clock import run_virtual
from ordergate.testing.metatrader5 import constants as mt5
from tests.services.mt5 import HEDGING, NAME, START
from tests.services.mt5_talk import Desk, play


def between(desk: Desk, name: str, happens: Callable[[], object], times: int) -> None:
    """So many times something happens once that list was read, before its count is."""
    session = desk.broker.session
    assert session is not None
    terminal: Any = session.link.terminal
    ask, left = terminal.ask, [times]

    async def asked(what: str, *args: Any, **kwargs: Any) -> Any:
        reply = await ask(what, *args, **kwargs)
        if what == name and left[0]:
            left[0] -= 1
            happens()
        return reply

    terminal.ask = asked


def comes(desk: Desk, what: str) -> Callable[[], object]:
    """An order, or a position, of somebody else's."""
    order = {"symbol": NAME, "type": mt5.ORDER_TYPE_BUY, "volume": Decimal("0.1")}
    if what == "orders":
        order |= {"type": mt5.ORDER_TYPE_BUY_LIMIT, "price": Decimal("1.05")}
        action, filling = mt5.TRADE_ACTION_PENDING, mt5.ORDER_FILLING_RETURN
    else:
        action, filling = mt5.TRADE_ACTION_DEAL, mt5.ORDER_FILLING_RETURN
    return lambda: desk.machine.steering.trade(action=action, type_filling=filling, **order)


@pytest.mark.parametrize("what", ["orders", "positions"])
@pytest.mark.parametrize(("times", "complete"), [(1, True), (2, True), (1_000, False)])
def test_what_comes_between_list_and_count_is_seen_at_the_next_look(
    what: str, times: int, complete: bool
) -> None:
    async def scene(desk: Desk) -> None:
        between(desk, f"{what}_get", comes(desk, what), times)
        statement = await desk.broker.statement(START)
        assert statement.complete is complete
        if complete:
            assert desk.broker.connected
            held = {"EURUSD": Decimal("0.1") * times} if what == "positions" else {}
            assert statement.positions == held

    play(scene, HEDGING)


class Long:
    """A terminal whose history has a deal each hour, of which one answer takes a few."""

    def __init__(self, now: int, most: int, text: str) -> None:
        self.now, self.most, self.text = now, most, text

    async def open(self) -> Hello:
        return Hello("500", 1, "Demo", float(self.now), "journal", 1, 0.0, 90 * 86_400.0)

    async def ask(self, _name: str, since_s: int, until_s: int) -> Reply:
        first = -(-since_s // 3_600) * 3_600
        rows = [{"ticket": at} for at in range(first, min(until_s, self.now) + 1, 3_600)]
        return Reply(None, (OURS, self.text)) if len(rows) > self.most else Reply(rows, (1, "Success"))


@pytest.mark.parametrize("most", [1, 7, 10_000])
def test_a_history_that_is_too_long_for_one_answer_is_read_in_parts(most: int) -> None:
    async def main() -> None:
        link = Link(Long(1_000 * 3_600, most, "its answer is too large"), 1.0)  # type: ignore[arg-type]
        await link.open()
        rows = await link.history("deals", 200 * 3_600)
        assert sorted(row["ticket"] for row in rows) == [at * 3_600 for at in range(200, 1_001)]

    run_virtual(main())


def test_a_history_that_cannot_be_asked_for_is_not_asked_for_in_ever_smaller_parts() -> None:
    async def main() -> None:
        link = Link(Long(1_000 * 3_600, -1, "TypeError"), 1.0)  # type: ignore[arg-type]
        await link.open()
        with pytest.raises(Failed, match="TypeError"):
            await link.history("deals", 200 * 3_600)

    run_virtual(main())
