"""A fund that moves from one shard to another: what its journals must know of it.

The old journal says what leaves, and lets go of it in the same entries; the new one repeats each of these entries
before the fund may trade there. So what a fund holds is in one of them or on its way, never in both.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordergate.domain.money import ZERO
from ordergate.domain.positions.ledger import Balance
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position, StrategyPosition
from ordergate.domain.recon.holding import AccountHolding
from ordergate.domain.risk.account import Volume

Item = TypeVar("Item", bound=Struct)


class MovePhase(StrEnum):
    """How far a fund's move has come, as one shard knows it."""

    EXPECTED = "expected"
    HERE = "here"
    LEFT = "left"


class LogEnd(Struct, frozen=True, gc=False, kw_only=True):
    """A signed end of another shard's log; `root` is base64, as in its checkpoint."""

    origin: str
    size: int
    root: str


class Move(Struct, frozen=True, gc=False, kw_only=True):
    """The last move of a fund into this shard or out of it.

    Attributes:
        shard: the other one, by the name that the configuration gives it.
        first: index of the first entry that says what left, in the journal that it left.
        parts: how many such entries there are; of an expected fund, how many of them have come.
        key_kind, key: of an expected fund, the last idempotency key that has come.
    """

    fund_id: str
    phase: MovePhase
    shard: str
    origin: str
    first: int = 0
    parts: int = 0
    key_kind: str | None = None
    key: str | None = None


class Holding(Struct, frozen=True, gc=False, kw_only=True):
    """A position with open lots of it, oldest first; of many lots, a part, with the whole position each time."""

    position: Position
    lots: tuple[Lot, ...] = ()


class StrategyRuns(Struct, frozen=True, gc=False, kw_only=True):
    """How often a strategy has run since a person enabled it."""

    strategy_id: str
    runs: int


Piece = Holding | Balance | StrategyPosition | Volume | StrategyRuns | AccountHolding


class Part(Struct, frozen=True, gc=False, kw_only=True):
    """What one entry says that left.

    Attributes:
        strategies: what strategies have built in the fund.
        volumes: what the fund has traded today.
        runs: of the strategies that may write into the fund.
        at_brokers: the records of the accounts that go along.
    """

    holdings: tuple[Holding, ...] = ()
    balances: tuple[Balance, ...] = ()
    strategies: tuple[StrategyPosition, ...] = ()
    volumes: tuple[Volume, ...] = ()
    runs: tuple[StrategyRuns, ...] = ()
    at_brokers: tuple[AccountHolding, ...] = ()


def emptied(position: Position) -> Position:
    """A position once what is open has left: profit, loss and fees stay where they were made."""
    return replace(position, quantity=ZERO, cost=ZERO, oldest_open=position.lot_count + 1)


def arrived(holding: Holding, known: Position | None) -> Holding:
    """What came, as rows of the new journal: lots are counted on from those that the fund once had there.

    Args:
        known: the row that is there; one that is open has been made by an earlier part of the same position.
    """
    left = holding.position
    if known is None or not known.quantity:
        before = known or Position(fund_id=left.fund_id, symbol=left.symbol, updated_at=left.updated_at)
        known = replace(
            before,
            quantity=left.quantity,
            cost=left.cost,
            oldest_open=before.lot_count + 1,
            lot_count=before.lot_count + left.lot_count - left.oldest_open + 1,
            averaged=max(left.averaged + before.lot_count + 1 - left.oldest_open, 0),
            updated_at=left.updated_at,
        )
    shift = known.oldest_open - left.oldest_open
    lots = tuple(replace(lot, number=lot.number + shift, realized_pnl=ZERO) for lot in holding.lots)
    return Holding(position=known, lots=lots)


def in_parts(whole: Part, most: int) -> list[Part]:
    """What leaves, in parts of at most about `most` bytes as JSON; a position may be spread over several."""
    held = [
        Holding(position=holding.position, lots=lots)
        for holding in whole.holdings
        for lots in packed(holding.lots, most // 2) or [()]
    ]
    pieces: list[Piece] = [
        *held, *whole.balances, *whole.strategies, *whole.volumes, *whole.runs, *whole.at_brokers,
    ]  # fmt: skip
    return [
        Part(
            holdings=_of(Holding, group),
            balances=_of(Balance, group),
            strategies=_of(StrategyPosition, group),
            volumes=_of(Volume, group),
            runs=_of(StrategyRuns, group),
            at_brokers=_of(AccountHolding, group),
        )
        for group in packed(pieces, most)
    ]


def _of(kind: type[Item], group: Iterable[Piece]) -> tuple[Item, ...]:
    return tuple(piece for piece in group if isinstance(piece, kind))


def packed(items: Iterable[Item], most: int) -> list[tuple[Item, ...]]:
    """The items in groups of at most about `most` bytes as JSON, one at least in each."""
    groups: list[tuple[Item, ...]] = []
    group: list[Item] = []
    size = 0
    for item in items:
        own = _size(item)
        if group and size + own > most:
            groups.append(tuple(group))
            group, size = [], 0
        group.append(item)
        size += own
    return [*groups, tuple(group)] if group else groups


def _size(item: Struct) -> int:
    return len(msgspec.json.encode(item)) + 1
