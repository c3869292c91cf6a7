"""Moving a fund to another shard: what is asked for, and what happened.

First the new shard expects the fund; then the old one lets go of it and of all it holds, in entries of one commit;
then the new one repeats them, takes over the idempotency keys, and opens the fund. Every command may be given again:
what has happened is not done twice.
"""

from msgspec import Struct

from ordergate.domain.book import Key
from ordergate.domain.funds import Fund
from ordergate.domain.moves import Holding, LogEnd, StrategyRuns
from ordergate.domain.orders.events import Event
from ordergate.domain.positions.ledger import Balance
from ordergate.domain.positions.position import StrategyPosition
from ordergate.domain.recon.holding import AccountHolding
from ordergate.domain.risk.account import Account, Volume
from ordergate.domain.risk.kill_switch import Halt
from ordergate.domain.risk.limits import LimitSet


class FundExpected(Event, frozen=True, kw_only=True, tag="FundExpected/1"):
    """A fund will come from another shard; until it is all here, no order is taken for it."""

    fund_id: str
    shard: str
    origin: str


class FundLeft(Event, frozen=True, kw_only=True, omit_defaults=True, tag="FundLeft/1"):
    """A fund has left for another shard with all that it holds; no order is taken for it here from now on.

    Attributes:
        number: of this part, from 0; the first brings the fund alone.
        parts: how many there are.
        strategies: what strategies have built in the fund.
        volumes, runs: what it has traded today, and how often its strategies have run: no limit begins anew elsewhere.
        at_brokers: our record of the brokers' accounts that go along.
        account, limits, halt: what risk keeps of the fund; with the first part.
    """

    fund_id: str
    shard: str
    origin: str
    number: int
    parts: int
    fund: Fund | None = None
    holdings: tuple[Holding, ...] = ()
    balances: tuple[Balance, ...] = ()
    strategies: tuple[StrategyPosition, ...] = ()
    volumes: tuple[Volume, ...] = ()
    runs: tuple[StrategyRuns, ...] = ()
    at_brokers: tuple[AccountHolding, ...] = ()
    account: Account | None = None
    limits: LimitSet | None = None
    halt: Halt | None = None


class FundArrived(Event, frozen=True, kw_only=True, omit_defaults=True, tag="FundArrived/1"):
    """A part of what has left another shard is booked here.

    Attributes:
        end: of the other shard's log, which holds what left.
        index: of the entry there that says so.
        holdings: as booked here: lots are numbered anew.
    """

    fund_id: str
    shard: str
    end: LogEnd
    index: int
    number: int
    fund: Fund | None = None
    holdings: tuple[Holding, ...] = ()
    balances: tuple[Balance, ...] = ()
    strategies: tuple[StrategyPosition, ...] = ()
    volumes: tuple[Volume, ...] = ()
    runs: tuple[StrategyRuns, ...] = ()
    at_brokers: tuple[AccountHolding, ...] = ()
    account: Account | None = None
    limits: LimitSet | None = None
    halt: Halt | None = None


class KeysArrived(Event, frozen=True, kw_only=True, tag="KeysArrived/1"):
    """Idempotency keys of orders that are in another shard's journal: used up here too."""

    fund_id: str
    shard: str
    end: LogEnd
    keys: tuple[Key, ...]


class FundOpened(Event, frozen=True, kw_only=True, tag="FundOpened/1"):
    """All of the fund has arrived; orders are taken for it."""

    fund_id: str
    shard: str
    end: LogEnd


MoveEvent = FundExpected | FundLeft | FundArrived | KeysArrived | FundOpened


class ExpectFund(Struct, frozen=True, gc=False, kw_only=True):
    """Prepare for a fund of another shard."""

    fund_id: str
    shard: str
    origin: str


class LeaveFund(Struct, frozen=True, gc=False, kw_only=True):
    """Let go of a fund, to another shard, and of our record of the accounts of these brokers."""

    fund_id: str
    shard: str
    origin: str
    brokers: frozenset[str] = frozenset()


class TakePart(Struct, frozen=True, gc=False, kw_only=True):
    """Book what has left another shard: entry `index` of its log, which ends so."""

    left: FundLeft
    index: int
    end: LogEnd


class TakeKeys(Struct, frozen=True, gc=False, kw_only=True):
    """Take over idempotency keys, in the order of their kind and name."""

    fund_id: str
    end: LogEnd
    keys: tuple[Key, ...]


class OpenFund(Struct, frozen=True, gc=False, kw_only=True):
    """Open a fund that has arrived in so many parts."""

    fund_id: str
    end: LogEnd
    parts: int


MoveCommand = ExpectFund | LeaveFund | TakePart | TakeKeys | OpenFund
