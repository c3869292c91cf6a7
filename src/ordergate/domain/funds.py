"""A fund: whose money an order is, where it trades, and what it may trade."""

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from ordergate.domain.algos.terms import SplitTerms
from ordergate.domain.instruments import AssetClass
from ordergate.domain.routing import Route


class TaxLotMethod(StrEnum):
    """Which open lot a closing fill takes first, and so what it realises.

    `fifo` the oldest, `lifo` the newest, `hifo` that of the highest price, `loifo` that of the lowest, `average` every
    lot at the position's average cost, `specific` those that the order names.
    """

    FIFO = "fifo"
    LIFO = "lifo"
    HIFO = "hifo"
    LOIFO = "loifo"
    AVERAGE = "average"
    SPECIFIC = "specific"


class SlippageTerms(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """When a fill's slippage is worth an alert; positive is adverse.

    Attributes:
        alert_bps, alert_pips: more than that is; None of both is never, but where an order says how much it bears.
        pause: what exceeds it leaves the order's strategy in REDUCE_ONLY.
    """

    alert_bps: Decimal | None = None
    alert_pips: Decimal | None = None
    pause: bool = False


class Fund(Struct, frozen=True, gc=False, kw_only=True):
    """A fund's standing instructions.

    Attributes:
        broker: where its orders go that name none and that none of its rules fits.
        asset_classes: what it may trade; empty is everything.
        strategies: which strategies may write into it; empty is all.
        dedupe_window: how long an idempotency key holds; None is for ever.
        unlimited: it trades without limits of its own; else it trades once it has some.
        slippage: when a fill's slippage is worth an alert; None is where an order says how much it bears.
        split: when a market order is worked in slices; None is never.
        routes: its rules of which broker an order goes to, of which the first that fits counts; None is no rule.
    """

    fund_id: str
    broker: str
    base_currency: str = "USD"
    asset_classes: tuple[AssetClass, ...] = ()
    strategies: tuple[str, ...] = ()
    tax_lot_method: TaxLotMethod = TaxLotMethod.FIFO
    dedupe_window: timedelta | None = None
    unlimited: bool = False
    slippage: SlippageTerms | None = None
    split: SplitTerms | None = None
    routes: tuple[Route, ...] | None = None
