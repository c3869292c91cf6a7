"""What things are worth: a fund by what it began with, has made, and holds at the last prices."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from ordergate.domain.risk.account import Account
from ordergate.domain.risk.exposure import Group, Sums
from ordergate.domain.risk.limits import Limits


def equity_usd(
    limits: Limits,
    account: Account | None,
    sums: Mapping[Group, Sums],
    to_usd: Callable[[str], Decimal | None],
) -> Decimal | None:
    """In US dollars; None where nobody said what it began with, or a rate is missing.

    Net asset value = `nav_usd` + realised profit less fees + unrealised profit, each by its currency's rate.
    """
    worth = limits.nav_usd
    if worth is None:
        return None
    amounts = [] if account is None else list(account.profits)
    amounts += [(group.currency, of_group.unrealized) for group, of_group in sums.items()]
    for currency, amount in amounts:
        if amount:
            rate = to_usd(currency)
            if rate is None:
                return None
            worth += amount * rate
    return worth


def largest(worths: Sequence[Decimal | None]) -> Decimal | None:
    """The largest of what things are worth; None where one of them is not known."""
    known = [worth for worth in worths if worth is not None]
    return max(known) if len(known) == len(worths) else None
