"""What is asked of breaks, in the imperative."""

from decimal import Decimal

from msgspec import Struct

from ordergate.domain.breaks import BreakKind
from ordergate.domain.recon.difference import Difference


class Reconcile(Struct, frozen=True, gc=False, kw_only=True):
    """Take what a comparison has found: raise what is new, resolve what is gone.

    Attributes:
        found: that counts; `perhaps` are the keys of what may come right by itself.
        covers: the kinds that the comparison would have found; of others it says nothing.
        fetched: keys of what was asked for at the broker since it was found.
    """

    broker: str
    found: tuple[Difference, ...]
    perhaps: frozenset[str] = frozenset()
    covers: frozenset[BreakKind] = frozenset()
    fetched: frozenset[str] = frozenset()


class AssignBreak(Struct, frozen=True, gc=False, kw_only=True):
    """Say who looks into it."""

    break_id: str
    owner: str


class ResolveBreak(Struct, frozen=True, gc=False, kw_only=True):
    """Say that nothing is to be done, and why."""

    break_id: str
    why: str


class AdjustBreak(Struct, frozen=True, gc=False, kw_only=True):
    """Book the difference of a position or balance into a fund.

    Attributes:
        fund_id: None is the one fund that trades there.
        price: at which a position is booked, in the instrument's currency; None is the market's mid.
    """

    break_id: str
    why: str
    fund_id: str | None = None
    price: Decimal | None = None


ReconCommand = Reconcile | AssignBreak | ResolveBreak | AdjustBreak
