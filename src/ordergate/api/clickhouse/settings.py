"""What comes in from ClickHouse, and how it is taken."""

from typing import Annotated

from msgspec import Meta, Struct


class SignalInputs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the service takes from the table `trading_signals`; nothing, as left out.

    Attributes:
        take: takes signals whose `risk_approval_status` is approved and whose `execution_status` is pending.
        every_ms: how often it is asked for them.
        max_age_s: a signal that is older when it is first looked at makes no order.
        write_back: says in `execution_status`, and `order_id`, what became of them.
    """

    take: bool = False
    every_ms: Annotated[int, Meta(ge=50, le=3_600_000)] = 1_000
    max_age_s: Annotated[int, Meta(ge=1, le=86_400)] = 300
    write_back: bool = True
