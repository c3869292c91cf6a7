"""What happened to orders that hang on others, beyond what each order's own events say."""

from decimal import Decimal

from ordergate.domain.orders.events import Event


class ProtectionFailed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="ProtectionFailed/1"):
    """Something of a position is not protected as its entry's signal asked, or a stop of it can close too much.

    Attributes:
        order_id: of the entry.
        stop_id: of the stop that was refused, has ended or stays as it is; None where none could be made.
        quantity: that is without a stop, or that the stop can close too much.
        stop_price: the level.
        code: of the refusal or the end; `STOP_NOT_REDUCED` where a broker keeps a stop that was to be canceled.
    """

    order_id: str
    fund_id: str
    symbol: str
    quantity: Decimal
    stop_price: Decimal
    code: str
    reason: str
    stop_id: str | None = None


class CloseCut(Event, frozen=True, kw_only=True, omit_defaults=True, tag="CloseCut/1"):
    """A stop has traded, and another order could close more than is left: it is made smaller, or canceled.

    Attributes:
        order_id: of that other order.
        quantity: that it could open beyond what is held.
        keep: what it may still fill; 0 where it is canceled, None where it stays as it is.
        code: of the gate's refusal of such a position; `CLOSE_NOT_CUT` where the order cannot be canceled.
    """

    order_id: str
    fund_id: str
    symbol: str
    quantity: Decimal
    code: str
    reason: str
    keep: Decimal | None = None


ContingencyEvent = ProtectionFailed | CloseCut
