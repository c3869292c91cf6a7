"""What a fund has: by the ledger, and as far as brokers tell of their accounts, by them. Runs on the gate's loop."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal

from msgspec import Struct, field

from ordergate.bootstrap import Gate
from ordergate.config.reconciliation import account_terms_of
from ordergate.domain.errors import Conflict, NotFound
from ordergate.domain.instruments import Instrument
from ordergate.domain.money import ZERO
from ordergate.domain.positions.ledger import BASE_TOKEN, PERP, perpetual_name, position_key
from ordergate.domain.recon.holding import HoldingKind
from ordergate.domain.recon.statement import Statement

Amounts = Mapping[str, Decimal]
_Holdings = Mapping[tuple[HoldingKind, str], Decimal]


class Look(Struct, frozen=True):
    """What was seen at one moment, by position key.

    Attributes:
        ledger: the fund's balances.
        off: by how much more there is in the accounts of `asked` than all funds' trades there explain.
        asked: the brokers that have told of their accounts.
    """

    ledger: Amounts = field(default_factory=dict)
    off: Amounts = field(default_factory=dict)
    asked: frozenset[str] = frozenset()

    def real(self, key: str) -> Decimal:
        """What there is."""
        return self.ledger.get(key, ZERO) + self.off.get(key, ZERO)


def broker_of(key: str) -> str:
    """Whose account a position key is in, where it is one of a broker."""
    return key.partition(":")[0]


async def look(gate: Gate, fund_id: str, keys: Iterable[str] | None = None) -> Look:
    """The fund's balances, and what brokers say.

    Args:
        keys: whose brokers are asked; None asks the fund's, and those of everything that it has.

    Raises:
        StoreError: the store cannot be read.
    """
    await gate.runner.settled()
    rows = await gate.journal.select("balances", {"fund_id": fund_id})
    ledger = {row.position_key: row.amount for row in rows}
    wanted = {broker_of(key) for key in (ledger if keys is None else keys)}
    fund = gate.runner.engine.state.funds.get(fund_id)
    if keys is None and fund is not None:
        wanted.add(fund.broker)
    brokers = sorted(wanted & set(gate.compared_brokers))
    told = await asyncio.gather(*(_off(gate, broker) for broker in brokers))
    off: dict[str, Decimal] = {}
    for one in told:
        off |= one or {}
    asked = frozenset(broker for broker, one in zip(brokers, told, strict=True) if one is not None)
    return Look(ledger, off, asked)


async def _off(gate: Gate, broker: str) -> dict[str, Decimal] | None:
    """What the account has more; None where it is not told."""
    try:
        theirs = await gate.statement(broker)
    except (NotFound, Conflict):  # another node has its session
        return None
    if theirs is None or not theirs.complete:
        return None
    await gate.runner.settled()
    rows = await gate.journal.select("account_holdings", {"broker": broker})
    ours = {(row.kind, row.name): row.quantity for row in rows}
    opening = {
        **(theirs.paid_in or {}),
        **account_terms_of(gate.config.reconciliation, broker).terms.opening,
    }
    differ = differences(broker, theirs, ours, opening, await gate.queries.instruments())
    return {key: amount for key, amount in differ.items() if amount}


def differences(
    broker: str, theirs: Statement, ours: _Holdings, opening: Amounts, instruments: Mapping[str, Instrument]
) -> dict[str, Decimal]:
    """By position key, how much more a statement has than our record of the account."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    if theirs.positions is not None:
        known = {name for kind, name in ours if kind is HoldingKind.POSITION}
        for symbol in theirs.positions.keys() | known:
            instrument = instruments.get(symbol)
            if instrument is not None:
                mine = ours.get((HoldingKind.POSITION, symbol), ZERO)
                more = (theirs.positions.get(symbol, ZERO) - mine) * instrument.contract_size
                found[_key_of(broker, instrument)] += more
    for currency, there in (theirs.balances or {}).items():
        # What was there before anything was traded, where nobody says it, is more than trades explain, for good.
        mine = opening.get(currency, ZERO) + ours.get((HoldingKind.CASH, currency), ZERO)
        found[position_key(broker, currency, BASE_TOKEN)] += there - mine
    return dict(found)


def _key_of(broker: str, instrument: Instrument) -> str:
    if instrument.perpetual:
        return position_key(broker, perpetual_name(instrument.symbol), PERP)
    return position_key(broker, instrument.base, BASE_TOKEN)
