"""The fold of what was traded in brokers' accounts."""

from ordergate.domain.book import Book
from ordergate.domain.instruments import Instrument
from ordergate.domain.orders.executions import Fill
from ordergate.domain.recon.holding import AccountHolding, HoldingKind, Moved, moved_by, moved_elsewhere


def count_at_broker(state: Book, fill: Fill, instrument: Instrument, sign: int, *, adjusts: bool) -> None:
    """What a fill, or (-1) one that is taken back, moves in the broker's account.

    An adjustment moves no money there: what differs of money is a break of its own. A transfer between two accounts
    moves both.
    """
    moved = moved_by(fill, instrument, sign)
    move_at_broker(state, fill.broker, moved[:1] if adjusts else moved)
    for broker, currency, amount in moved_elsewhere(fill, sign):
        move_at_broker(state, broker, ((HoldingKind.CASH, currency, amount),))


def move_at_broker(state: Book, broker: str, moved: Moved) -> None:
    """The account's figures become so much more."""
    table = state.account_holdings
    for kind, name, quantity in moved:
        before = table.get((broker, kind, name)) or AccountHolding(broker=broker, kind=kind, name=name)
        table.put(before.plus(quantity))
