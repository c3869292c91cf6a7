"""What throws the kill switch by itself only where that is wanted."""

from typing import Annotated

from msgspec import Meta, Struct


class Triggers(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What else throws the kill switch by itself, beside losses, a broker's rejections and a clock that jumps.

    Attributes:
        stale_feed_s: a symbol that is held or worked and has had no quote for that long leaves the firm in
            REDUCE_ONLY; none is off. It needs a feed of everything that is traded, also while markets are closed.
        store_failure: whether an outage of the database halts the firm once it is over; else trading goes on.
    """

    stale_feed_s: Annotated[int, Meta(ge=1)] | None = None
    store_failure: bool = False
