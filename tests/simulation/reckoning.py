"""What the journal says of comparisons with the exchange's account, and whether that can be.

Knows what there is to be found; shares no code with the package.
"""

from collections import Counter
from decimal import Decimal
from typing import Any, Final

from tests.simulation.account import Account
from tests.simulation.candor import Candor, Manner

ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")
HONEST: Final = frozenset({"late_fill", "overfill", "unresolved", "conflicting_end"})
"""Kinds of breaks that a venue can cause which is honest and only slow or out of order."""
_NOT_TOLD_YET: Final = frozenset({"missing_fill", "busted_fill", "not_working"})
"""Kinds that a comparison with such a venue can find, for as long as its reports are lost and it cannot be asked."""
_HIDDEN: Final = frozenset({"position", "balance", "unknown_order"})
_OF_REPORTS: Final = frozenset({"conflicting_end", "bad_execution", "wrong_side", "wrong_instrument"})
"""Kinds of which each break is about a report that changed nothing."""
_LIES: Final = frozenset(
    {"unknown_order", "bad_execution", "wrong_side", "wrong_instrument", "still_working"}
)
_REPORT: Final = "report/"
_ORDER: Final = "order/"
"""Of an order that nobody knows: a report may say it first, or a statement."""
_ONCE: Final = ("fill/", "not-working/", _ORDER, _REPORT)
"""What is never there again once it is gone, and a report however often it is delivered."""


class Reckoning:
    """Of one run.

    Attributes:
        open: the breaks that are, by their name.
        adjusted: what was booked of positions: fund, symbol, signed quantity, price.
        moved: what was booked of money: fund, currency, amount.
        halted: whether the broker is.
        kinds: of all breaks so far.
    """

    def __init__(self, manner: Manner, account: Account) -> None:
        self._manner, self._account = manner, account
        self.open: dict[str, dict[str, Any]] = {}
        self.adjusted: list[tuple[str, str, Decimal, Decimal]] = []
        self.moved: list[tuple[str, str, Decimal]] = []
        self.halted = False
        self.kinds: set[str] = set()
        self._raised: Counter[str] = Counter()

    def take(self, event: dict[str, Any]) -> list[str]:
        """One more event; what is wrong with it."""
        match event["kind"]:
            case "BreakRaised/1":
                return self._raise(event["item"])
            case "BreakChanged/1" | "BreakResolved/1":
                item = event["item"]
                self.open.pop(item["break_id"], None)
                if "resolved_at" not in item:
                    self.open[item["break_id"]] = item
            case "PositionAdjusted/1":
                return self._adjust(event)
            case "TradingHalted/1":
                self.halted = self.halted or event["halt"]["trigger"] == "reconciliation"
        return []

    def _raise(self, item: dict[str, Any]) -> list[str]:
        kind, key = item["kind"], item.get("key")
        problems = []
        if kind in _OF_REPORTS and key is None:
            problems.append(f"raises a break of kind {kind} that nobody will know again: {item['detail']}")
        told = (
            key is None
            or key.startswith(_REPORT)
            or (kind == "unknown_order" and self._manner.candor is Candor.LIES)
        )
        if kind not in self._possible(not told):
            problems.append(f"raises a break of kind {kind}: {item['detail']}")
        if key is not None:
            if any(other.get("key") == key for other in self.open.values()):
                problems.append(f"raises a second break of {key}")
            self._raised[key] += 1
            if key.startswith(_ONCE) and self._raised[key] > 1:
                problems.append(f"raises a break of {key} again")
            there = self._times_moved(key)
            if there is not None and self._raised[key] > there:
                problems.append(
                    f"raises a break of {key} for the {self._raised[key]}. time, it moved {there} times"
                )
        self.open[item["break_id"]] = item
        self.kinds.add(kind)
        return problems

    def _possible(self, compared: bool) -> frozenset[str]:
        """The kinds that there can be of comparisons, or of reports."""
        if compared and self._manner.sums:
            return frozenset({"position", "balance"})
        kinds = _NOT_TOLD_YET if compared else HONEST
        if self._manner.candor is Candor.HIDES and compared:
            return kinds | _HIDDEN
        return kinds | _LIES if self._manner.candor is Candor.LIES and not compared else kinds

    def _times_moved(self, key: str) -> int | None:
        """How often something was hidden that a break of that key is about; None of other keys."""
        what, _, name = key.partition("/")
        if self._manner.sums or what not in ("position", "balance"):
            return None
        hidden = self._account.positions_hidden() if what == "position" else self._account.money_hidden()
        return max(len(hidden.get(name, ())) - 1, 0)

    def _adjust(self, event: dict[str, Any]) -> list[str]:
        """Only what is hidden is ever booked, and just so much of it."""
        trade = event.get("trade")
        if trade is None:
            currency, amount = event["currency"], Decimal(event["amount"])
            self.moved.append((event["fund_id"], currency, amount))
            booked = sum((m for _f, c, m in self.moved if c == currency), ZERO)
            right = any(
                abs(booked - step) <= _CENT for step in self._account.money_hidden().get(currency, ())
            )
            return (
                [] if right else [f"books {amount} {currency}, which makes {booked}: that was never hidden"]
            )
        symbol, sign = trade["symbol"], 1 if trade["side"] == "buy" else -1
        quantity = sign * Decimal(trade["quantity"])
        self.adjusted.append((event["fund_id"], symbol, quantity, Decimal(trade["price"])))
        booked = self._booked(symbol)
        if booked in self._account.positions_hidden().get(symbol, ()):
            return []
        return [f"books {quantity} {symbol}, which makes {booked}: the position was right without"]

    def _booked(self, symbol: str) -> Decimal:
        return sum((quantity for _f, name, quantity, _p in self.adjusted if name == symbol), ZERO)

    @property
    def differences(self) -> int:
        """How many breaks comparisons have raised."""
        return sum(count for key, count in self._raised.items() if not key.startswith((_REPORT, _ORDER)))

    # In the end.

    def wrong(self) -> list[str]:
        """Open breaks of positions and money for which there is no reason."""
        if self._manner.candor is Candor.HIDES and (self._manner.sums or not self._manner.corrects):
            return []
        return [
            f"a break of kind {item['kind']} is open: {item['detail']}"
            for item in self.open.values()
            if item["kind"] in ("position", "balance")
        ]

    def unfound(self, doubtful: bool) -> list[str]:
        """What is hidden, and neither a break nor booked.

        Args:
            doubtful: whether an order may have traded, and nobody knows: where only sums are told, nothing is booked then.
        """
        if doubtful and self._manner.sums and self._manner.corrects:
            return []
        left = [
            f"{one.key} was hidden at {one.time}, and there is no break"
            for one in self._account.hidden
            if one.named and not any(item.get("key") == one.key for item in self.open.values())
        ]
        for symbol, steps in self._account.positions_hidden().items():
            left += self._missed(f"position/{symbol}", steps[-1] - self._booked(symbol), ZERO)
        for currency, steps in self._account.money_hidden().items():
            booked = sum((amount for _f, name, amount in self.moved if name == currency), ZERO)
            left += self._missed(f"balance/{currency}", steps[-1] - booked, _CENT)
        return left

    def _missed(self, key: str, difference: Decimal, tolerance: Decimal) -> list[str]:
        if abs(difference) <= tolerance:
            return []
        if self._manner.corrects:
            return [f"{key} is {difference} more at the exchange, and that was not booked"]
        items = [item for item in self.open.values() if item.get("key") == key]
        if len(items) == 1 and Decimal(items[0]["theirs"]) - Decimal(items[0]["ours"]) == difference:
            return []
        return [f"{key} is {difference} more at the exchange, the breaks are {items}"]

    def parked(self, order_id: str) -> bool:
        """Whether somebody was told that the exchange has no such order any more."""
        return any(
            item["kind"] == "not_working" and item.get("order_id") == order_id for item in self.open.values()
        )
