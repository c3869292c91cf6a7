"""What the paper venue refuses of its callers' cursors and quotes."""

from ordergate.domain.errors import Code, Invalid, StoreError
from ordergate.domain.market import Quote


def sequence_of(cursor: str | None, last: int) -> int:
    """The report after which a session begins; `last` is the latest there is.

    Raises:
        StoreError: the file never gave out that cursor.
    """
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdecimal()):
        raise StoreError(f"cursor {cursor!r} is none of a paper venue: they are numbers")
    if int(cursor) > last:
        raise StoreError(
            f"cursor {cursor} is beyond the paper venue's last report, {last}: its file is not the one that"
            " gave out the cursor, or an older copy of it"
        )
    return int(cursor)


def check_quote(quote: Quote) -> None:
    """Refuses a quote that nothing can trade at.

    Raises:
        Invalid: a price is not above zero, or a size is below it.
    """
    for name in ("bid", "ask"):
        price = getattr(quote, name)
        if not price.is_finite() or price <= 0:
            raise Invalid(
                Code.NOT_POSITIVE, f"the {name} of {quote.symbol} is {price}: it must be above zero"
            )
    for name in ("bid_size", "ask_size"):
        size = getattr(quote, name)
        if size is not None and (not size.is_finite() or size < 0):
            raise Invalid(Code.BAD_VALUE, f"the {name} of {quote.symbol} is {size}: it cannot be below zero")
