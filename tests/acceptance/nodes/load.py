"""Callers that trade at several nodes: what had no answer is asked again with the same key, at another node."""

import asyncio
import random
from decimal import Decimal
from functools import partial
from typing import Any

from tests.acceptance.crash.worker import PRICES, QUANTITIES
from tests.acceptance.nodes.node import Gone, Node
from tests.acceptance.nodes.rig import Rig

PATIENCE_S = 3.0
"""After so long a caller asks elsewhere."""
_GIVES_UP = 0.2


class Load:
    """Callers at work.

    Attributes:
        made: the order of each key that was answered.
        never: keys of which every answer was that nothing has happened.
        wrong: answers that must not be.
        repeated: keys that were asked again after an attempt without an answer.
        found: of those, that had made their order then.
        failures: how often a node said that the store or the outcome was the trouble, by error.
    """

    def __init__(self, rig: Rig, callers: int, pause_s: float, seed: object) -> None:
        self._rig, self._callers, self._pause_s, self._seed = rig, callers, pause_s, seed
        self._ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.made: dict[str, str] = {}
        self.never: set[str] = set()
        self.wrong: list[str] = []
        self.repeated = self.found = 0
        self.failures: dict[str, int] = {}

    def start(self) -> None:
        self._tasks = [asyncio.ensure_future(self._trade(number)) for number in range(self._callers)]

    async def end(self, within_s: float = 30.0) -> None:
        """Begins nothing more, and waits until every caller has an answer."""
        self._ended.set()
        async with asyncio.timeout(within_s):
            await asyncio.gather(*self._tasks)

    def stop(self) -> None:
        """Ends every caller at once, answered or not."""
        for task in self._tasks:
            task.cancel()

    async def more(self, orders: int, within_s: float = 30.0) -> None:
        """Returns when so many more orders have been answered."""
        enough = len(self.made) + orders
        async with asyncio.timeout(within_s):
            while len(self.made) < enough:
                self._check()
                await asyncio.sleep(0.01)

    def _check(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                task.result()

    async def _trade(self, caller: int) -> None:
        dice, number = random.Random(f"{self._seed}.{caller}"), 0
        while not self._ended.is_set():
            number += 1
            order = _order(f"{self._seed}-{caller}-{number}", caller + number, resting=number % 4 == 0)
            order_id = await self._submit(order, dice)
            if order_id is not None and order["order_type"] == "limit":
                if dice.random() < 0.5:
                    more = str(2 * Decimal(order["quantity"]))
                    await self._ask_once(dice, "replace", order_id=order_id, quantity=more)
                if dice.random() < 0.8:
                    await self._ask_once(dice, "cancel", order_id=order_id)
            await asyncio.sleep(dice.uniform(0, 2 * self._pause_s))

    async def _submit(self, order: dict[str, str], dice: random.Random) -> str | None:
        """The order's id; None where the caller gave up because nothing had happened."""
        key, unclear, node = order["key"], False, await self._node(dice)
        while True:
            answer = await self._answer(node, key, order)
            if answer is not None and "order_id" in answer:
                self.repeated += unclear
                self.found += unclear and answer["replayed"]
                return answer["order_id"]
            unclear = unclear or answer is None or answer["error"] != "StoreError"
            if not unclear and dice.random() < _GIVES_UP:
                self.never.add(key)
                return None
            await asyncio.sleep(dice.uniform(0, 0.2))
            node = await self._node(dice, node)

    async def _answer(self, node: Node, key: str, order: dict[str, str]) -> dict[str, Any] | None:
        """What the node says within a caller's patience; None where it says nothing."""
        asked = node.send("submit", **order)
        asked.add_done_callback(partial(self._heard, key))  # also when the caller has long gone elsewhere
        done, _ = await asyncio.wait({asked}, timeout=PATIENCE_S)
        return asked.result() if done and asked.exception() is None else None

    def _heard(self, key: str, asked: asyncio.Future[dict[str, Any]]) -> None:
        if asked.cancelled() or asked.exception() is not None:
            return
        answer = asked.result()
        if "order_id" in answer:
            if self.made.setdefault(key, answer["order_id"]) != answer["order_id"]:
                self.wrong.append(f"{key} is {self.made[key]}, then {answer['order_id']}")
            return
        self.failures[answer["error"]] = self.failures.get(answer["error"], 0) + 1
        if answer["error"] not in ("StoreError", "OutcomeUnknown"):
            self.wrong.append(f"{key}: {answer}")

    async def _ask_once(self, dice: random.Random, do: str, **request: str) -> None:
        node = await self._node(dice)
        try:
            answer = await node.ask(do, PATIENCE_S, **request)
        except (Gone, TimeoutError):
            return
        error = answer.get("error")
        if error not in (None, "StoreError", "OutcomeUnknown", "Conflict", "Invalid"):
            self.wrong.append(f"{do} {request}: {answer}")

    async def _node(self, dice: random.Random, not_this: Node | None = None) -> Node:
        """One that is up; another than that one, where there is one."""
        while not (up := self._rig.up):
            await asyncio.sleep(0.02)
        return dice.choice([node for node in up if node is not not_this] or up)


def _order(key: str, number: int, *, resting: bool) -> dict[str, str]:
    symbol = list(PRICES)[number % len(PRICES)]
    side = "buy" if number % 2 else "sell"
    order = {
        "key": key,
        "symbol": symbol,
        "side": side,
        "quantity": QUANTITIES[symbol],
        "order_type": "limit" if resting else "market",
    }
    if resting:
        bid = Decimal(PRICES[symbol][0])
        far = bid * (Decimal("0.9") if side == "buy" else Decimal("1.1"))
        order["limit_price"] = str(far.quantize(bid))
    return order
