"""A ledger of one symbol as the domain keeps it, without an engine; and models that keep it in other ways."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from random import Random

from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.money import EXACT
from ordergate.domain.positions.lots import Lot, matching
from ordergate.domain.positions.position import Position, Trade, book, unbook
from ordergate.testing.playbook import START

SIZE = Decimal(100)
STEP = Decimal("0.01")
TICK = Decimal("0.05")
METHODS = tuple(TaxLotMethod)
Deal = tuple[int, int, tuple[str, ...]]
"""Steps of quantity (below zero: sold), ticks of price, lots that the order names."""


class Ledger:
    """A position and its lots under a method."""

    def __init__(self, method: TaxLotMethod, size: Decimal = SIZE) -> None:
        self.method, self.size, self.lots = method, size, dict[int, Lot]()
        self.position = Position(fund_id="fund", symbol="AAPL", updated_at=START)
        self.trades: dict[str, Trade] = {}

    @property
    def open(self) -> list[Lot]:
        return [self.lots[number] for number in sorted(self.lots) if self.lots[number].remaining]

    def trade(self, quantity: Decimal, price: Decimal, named: Sequence[str] = (), **more) -> str:
        name = f"f{len(self.trades) + 1}"
        fee, currency = more.get("fee", Decimal(0)), more.get("fee_currency")
        at = START + timedelta(seconds=len(self.trades))
        self.trades[name] = Trade(name, quantity, price, fee, currency, at, more.get("year", at.year))
        with localcontext(EXACT):
            how = matching(self.method, named)
            self._keep(*book(self.position, self.trades[name], self.open, how, self.size))
        return name

    def bust(self, name: str) -> None:
        with localcontext(EXACT):
            how = matching(self.method)
            self._keep(*unbook(self.position, self.trades[name], self.open, how, self.size))

    def _keep(self, position: Position, lots: list[Lot]) -> None:
        self.position = position
        self.lots |= {lot.number: lot for lot in lots}

    def deal(self, deal: Deal) -> str:
        steps, ticks, named = deal
        return self.trade(steps * STEP, ticks * TICK, named)


class Units:
    """Every step of quantity is a unit of its own, which knows its price and whose it is; money is fractions."""

    def __init__(self, method: TaxLotMethod) -> None:
        self._method, self._deals = method, 0
        self.units: list[tuple[int, int, str, int]] = []  # when, ticks, whose, sign
        self.realized = Fraction(0)

    def deal(self, deal: Deal) -> None:
        steps, ticks, named = deal
        self._deals += 1
        sign = 1 if steps > 0 else -1
        for _ in range(abs(steps)):
            if not self.units or self.units[0][3] == sign:
                self.units.append((self._deals, ticks, f"f{self._deals}", sign))
                continue
            chosen = min(self.units, key=lambda unit: self._rank(unit, named))
            self.units.remove(chosen)
            self.realized += chosen[3] * (ticks - chosen[1]) * _WORTH

    def _rank(self, unit: tuple[int, int, str, int], named: tuple[str, ...]) -> tuple[int, int]:
        when, ticks, whose, _sign = unit
        first = {"lifo": -when, "hifo": -ticks, "loifo": ticks}.get(self._method, 0)
        if self._method == "specific":
            first = named.index(whose) if whose in named else len(named)
        return first, when

    @property
    def quantity(self) -> int:
        return sum(unit[3] for unit in self.units)

    @property
    def cost(self) -> Fraction:
        return sum((unit[3] * unit[1] * _WORTH for unit in self.units), Fraction(0))


class Pool:
    """One pot of money and one of units: what `average` means, in fractions that are rounded where it says so."""

    def __init__(self) -> None:
        self.quantity, self.cost, self.realized = 0, Fraction(0), Fraction(0)

    def deal(self, deal: Deal) -> None:
        steps, ticks, _named = deal
        if self.quantity * steps < 0:
            closed = min(abs(steps), abs(self.quantity)) * (1 if steps > 0 else -1)
            cost = Fraction(round(-self.cost * closed / self.quantity * 10**18), 10**18)  # half to even
            self.cost -= cost
            self.realized += -closed * ticks * _WORTH - cost
            self.quantity += closed
            steps -= closed
        self.quantity += steps
        self.cost += steps * ticks * _WORTH


_WORTH = Fraction(STEP) * Fraction(TICK) * Fraction(SIZE)


def model(method: TaxLotMethod) -> Units | Pool:
    """Another implementation of a method."""
    return Pool() if method is TaxLotMethod.AVERAGE else Units(method)


def deals(seed: int) -> list[Deal]:
    """A random sequence of trades, also across zero; some name lots, open or not."""
    random = Random(seed)
    found: list[Deal] = []
    for number in range(random.randint(2, 14)):
        steps = random.choice((-1, 1)) * random.randint(1, 40)
        named = tuple(
            f"f{n}" for n in random.sample(range(1, number + 2), random.randint(0, min(3, number + 1)))
        )
        found.append((steps, random.randint(1, 30), named))
    return found
