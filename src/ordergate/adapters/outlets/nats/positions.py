"""Positions in a key-value bucket: `mts.v1.oms.positions.<fund_id>.<symbol>`, for reads that ask no database.

A value says at which entry of the journal it stands, and an older one never takes the place of a newer: one node at a
time writes, it writes what one moment of the journal shows, and only over the revision that it has seen. The key
`ordergate.v1.positions.<log>` says how far all of a journal's positions are; where it is missing the bucket was lost,
and is filled anew.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec
import structlog
from msgspec import Struct

from ordergate.adapters.nats import Connection, NatsError
from ordergate.adapters.outlets.nats.messages import Instant
from ordergate.application.entry import Entry
from ordergate.application.naming import Naming
from ordergate.application.ports.journal import Journal, JournalReader
from ordergate.application.queries import MOST_LOTS, Queries
from ordergate.application.touching import Key, touched_positions
from ordergate.domain.instruments import Instrument
from ordergate.domain.moves import MovePhase
from ordergate.domain.positions.lots import Lot
from ordergate.domain.positions.position import Position
from ordergate.domain.risk.valuation import USD, Market, value
from ordergate.protocols.subjects import token

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

_ENCODE: Final = msgspec.json.Encoder(decimal_format="string").encode
_log = structlog.get_logger("ordergate.nats")


class LotPart(Struct, frozen=True, gc=False, kw_only=True):
    """An open tax lot; quantities are signed, below zero is short."""

    lot_id: str
    open_date: str
    open_qty: Decimal
    open_price: Decimal
    close_qty: Decimal


class PositionValue(Struct, frozen=True, gc=False, kw_only=True):
    """What a fund holds of a symbol.

    Attributes:
        log, journal, index: the journal, by its origin and the beginning of its first entry's hash, and the last of its
            entries that is in it.
        quantity: signed, in the instrument's unit.
        avg_price: None when flat.
        last_price, last_price_time: what closing would have brought when this was written, and when that was quoted;
            None without a quote. Quotes write nothing: `market_value_usd` and `unrealized_pl_usd` are of that time.
        realized_pl_usd: since the first fill, fees apart; None without a rate.
        tax_lots: the open ones, oldest first, at most 100; `more_lots` says that there are more.
    """

    log: str
    journal: str
    index: int
    fund_id: str
    symbol: str
    quantity: Decimal
    avg_price: Decimal | None
    last_price: Decimal | None
    last_price_time: Instant | None
    market_value_usd: Decimal | None
    unrealized_pl_usd: Decimal | None
    realized_pl_usd: Decimal | None
    realized_pl_ytd_usd: Decimal | None
    last_updated: Instant
    tax_lots: tuple[LotPart, ...]
    more_lots: bool


class BucketMark(Struct, frozen=True, gc=False):
    """How far a bucket is: every position of that journal is in it as entry `index` left it, or newer."""

    log: str
    journal: str
    index: int

    def same(self, other: "BucketMark") -> bool:
        """Whether it is of the same journal."""
        return (self.log, self.journal) == (other.log, other.journal)


class BucketTerms(Struct, frozen=True, kw_only=True):
    """How a bucket is made where there is none."""

    name: str
    replicas: int = 1


def bucket_subject(bucket: str) -> str:
    """What a bucket's stream takes."""
    return f"$KV.{bucket}.>"


def key_of(fund_id: str, symbol: str) -> str:
    """The position's key."""
    return f"mts.v1.oms.positions.{token(fund_id)}.{token(symbol)}"


def position_value(
    position: Position, lots: Sequence[Lot], instrument: Instrument, market: Market, stands: BucketMark
) -> PositionValue:
    """A position as it is kept in the bucket; `lots` may be one more than are shown."""
    worth = value(position, instrument, market, USD)
    in_usd = worth.in_usd
    return PositionValue(
        log=stands.log,
        journal=stands.journal,
        index=stands.index,
        fund_id=position.fund_id,
        symbol=position.symbol,
        quantity=position.quantity,
        avg_price=position.average_price(instrument.contract_size),
        last_price=worth.price,
        last_price_time=worth.priced_at,
        market_value_usd=in_usd.market_value,
        unrealized_pl_usd=in_usd.unrealized,
        realized_pl_usd=in_usd.realized,
        realized_pl_ytd_usd=in_usd.realized_ytd,
        last_updated=position.updated_at,
        tax_lots=tuple(_lot(lot) for lot in lots[:MOST_LOTS]),
        more_lots=len(lots) > MOST_LOTS,
    )


def _lot(lot: Lot) -> LotPart:
    return LotPart(
        lot_id=lot.lot_id,
        open_date=lot.opened_at.date().isoformat(),
        open_qty=lot.quantity,
        open_price=lot.price,
        close_qty=lot.quantity - lot.remaining,
    )


class NatsPositions:
    """An outlet that keeps a bucket.

    Args:
        log: the origin of the journal.
        market: what positions are valued at now.
    """

    def __init__(
        self,
        connection: Connection,
        terms: BucketTerms,
        journal: Journal,
        log: str,
        market: Callable[[], Market],
    ) -> None:
        self._connection, self._terms, self._journal = connection, terms, journal
        self._naming, self._market = Naming(journal, log), market
        self._mark = f"ordergate.v1.positions.{token(log)}"
        self._kept: KeyValue | None = None
        self._seen: dict[str, int] = {}  # revisions by key, of values that are ours or older
        self._ahead = False  # the bucket was: all of it is written anew once the journal has come as far

    @property
    def name(self) -> str:
        """Of its cursor."""
        return "nats-positions"

    async def deliver(self, entries: Sequence[Entry]) -> None:
        """Returns once the bucket has what the entries have changed.

        Raises:
            NatsError: the server did not take it, somebody else has written meanwhile, or the bucket is ahead of the
                journal: it comes again.
            StoreError: the journal cannot be read.
        """
        stream = await self._connection.stream()
        from nats.errors import Error

        try:
            await self._deliver(await self._bucket(stream), entries)
        except Error as error:
            self._kept = None
            raise NatsError(f"bucket {self._terms.name} did not take positions: {error!r}") from error

    async def _deliver(self, bucket: "KeyValue", entries: Sequence[Entry]) -> None:
        there = await self._marked(bucket)
        name = await self._naming.name()
        whole = there is None or self._ahead or (there.log, there.journal) != (name.log, name.journal)
        changed = {key for entry in entries for key in touched_positions(entry)}
        values, mark = await self._values(None if whole else changed)
        if there is not None:
            self._check(there, mark)
        for key, shown in values.items():
            await self._put(bucket, key, shown, mark)
        await self._put(bucket, self._mark, mark, mark)
        self._ahead = False
        if whole:
            _log.info("positions are in their bucket", bucket=self._terms.name, positions=len(values))

    def _check(self, there: BucketMark, mark: BucketMark) -> None:
        """Whose the bucket is, and that the journal is not behind it. Raises NatsError where it is."""
        if not there.same(mark):
            _log.error(
                "the positions here are of another journal of this origin, and are written over: give each an "
                "audit.origin of its own, or delete the bucket where the other is no more",
                bucket=self._terms.name,
                log=mark.log,
                journal=mark.journal,
                other=there.journal,
            )
        elif there.index > mark.index:
            self._ahead = True
            raise NatsError(
                f"bucket {self._terms.name} is ahead of the journal: it is at entry {there.index} of {mark.log}, which "
                f"ends at {mark.index}: if an older database was restored, delete the bucket, and it is filled anew"
            )

    async def _bucket(self, stream: "JetStreamContext") -> "KeyValue":
        from nats.js.api import KeyValueConfig, StorageType
        from nats.js.errors import BucketNotFoundError

        if self._kept is None:
            self._seen.clear()
            try:
                self._kept = await stream.key_value(self._terms.name)
            except BucketNotFoundError:
                wanted = KeyValueConfig(
                    bucket=self._terms.name,
                    description="ordergate: positions",
                    storage=StorageType.FILE,
                    replicas=self._terms.replicas,
                )
                self._kept = await stream.create_key_value(wanted)
        return self._kept

    async def _marked(self, bucket: "KeyValue") -> BucketMark | None:
        """How far the bucket is; None where it has lost what was in it, or never had it."""
        data, revision = await _get(bucket, self._mark)
        if data is None:
            self._seen.clear()
        self._seen[self._mark] = revision
        return None if data is None else msgspec.json.decode(data, type=BucketMark)

    async def _values(self, keys: Iterable[Key] | None) -> tuple[dict[str, PositionValue], BucketMark]:
        """Positions as one moment of the journal shows them, and which moment that was; None is all of them."""
        name = await self._naming.name()
        async with self._journal.snapshot() as reader:
            mark = BucketMark(name.log, name.journal, (await reader.head()).size - 1)
            instruments = {row.symbol: row for row in await reader.select("instruments")}
            left = {move.fund_id for move in await reader.select("moves", {"phase": MovePhase.LEFT})}
            rows = (
                await reader.select("positions")
                if keys is None
                else await reader.get("positions", sorted(keys))
                if keys
                else []
            )
            here = [row for row in rows if row.fund_id not in left]
            return await self._shown(reader, here, instruments, mark), mark

    async def _shown(
        self,
        reader: JournalReader,
        rows: Sequence[Position],
        instruments: Mapping[str, Instrument],
        mark: BucketMark,
    ) -> dict[str, PositionValue]:
        market, queries = self._market(), Queries(reader)
        return {
            key_of(row.fund_id, row.symbol): position_value(
                row, await queries.open_lots(row, MOST_LOTS + 1), instruments[row.symbol], market, mark
            )
            for row in rows
        }

    async def _put(self, bucket: "KeyValue", key: str, shown: Struct, mark: BucketMark) -> None:
        """Puts a value over what was last seen there, unless that is as new or newer.

        One of another journal is older: its fund has come from there, or that journal is no more. What is left alone
        was not seen: the next value is compared with it again.
        """
        seen = self._seen.pop(key, None)
        if seen is None:
            data, seen = await _get(bucket, key)
            there = None if data is None else msgspec.json.decode(data, type=BucketMark)
            if there is not None and there.same(mark) and there.index >= mark.index:
                return
        self._seen[key] = await bucket.update(key, _ENCODE(shown), seen)


async def _get(bucket: "KeyValue", key: str) -> tuple[bytes | None, int]:
    """A value, None where there is none (any more), and the revision to write over."""
    from nats.js.errors import KeyNotFoundError

    try:
        found: Any = await bucket.get(key)
    except KeyNotFoundError as error:
        deleted: Any = error.entry
        return None, 0 if deleted is None else deleted.revision
    return found.value, found.revision
