"""MNY-6: what is written down is read again to the digit, and written again it is the same bytes."""

import asyncio
from decimal import Decimal
from random import Random

from msgspec.structs import replace

from ordergate.adapters.journals.database import open_journal
from ordergate.adapters.journals.rows import codec
from ordergate.application.entry import decode, encode
from ordergate.application.ports.journal import Batch
from ordergate.domain.funds import TaxLotMethod
from ordergate.domain.orders.states import Side
from ordergate.testing.playbook import FUND, Playbook, fill

D = Decimal
AWKWARD = [
    D(text)
    for text in (
        "0", "1", "-1", "0.1", "0.000000000000000001", "-0.000000000000000001", "999999999999999999.999999999999999999",
        "3.666666666666666667", "100000000000000000", "12345.678900", "-0.10", "1E-18", "1E+17",
        "999999999999999998000000000000000001.123456789012345678901234567890123456",
    )
]  # fmt: skip
TABLES = ("orders", "fills", "positions", "lots", "balances", "funds")


def traded(method: TaxLotMethod) -> Playbook:
    """A book with orders that name lots, fees, and costs that do not divide."""
    book, random = Playbook(replace(FUND, tax_lot_method=method)), Random(method)
    for number in range(12):
        side = Side.BUY if number % 3 != 2 else Side.SELL
        named = ("ord-1.x", "ord-2.x") if method is TaxLotMethod.SPECIFIC and side is Side.SELL else None
        book.submit(7, side=side, lots=named)
        price = D(random.randint(1, 10**9)).scaleb(-random.randint(0, 9))
        book.report(fill("x", D(random.randint(1, 7)), price, fee=D("0.3500"), fee_currency="USD"))
    return book


def test_mny_6_rows_come_back_from_the_store_as_they_were() -> None:
    async def main() -> None:
        for method in TaxLotMethod:
            state = traded(method).engine.state
            rows = {table.name: list(table.rows.values()) for table in state.tables if table.name in TABLES}
            position = rows["positions"][0]
            rows["positions"] += [
                replace(position, fund_id=f"n{at}", cost=one, realized_pnl=-one, realized_in_year=one,
                        fees=(("USD", one), ("XYZ", -one)))
                for at, one in enumerate(AWKWARD)
            ]  # fmt: skip
            first, second = open_journal("sqlite://"), open_journal("sqlite://")
            await first.commit(Batch(first=0, lines=(), rows=rows))
            read = {name: await first.select(name) for name in rows}
            for name in rows:
                key = codec(name).key
                wanted = sorted(rows[name], key=lambda row, n=name, k=key: k(codec(n).encode(row)))
                assert read[name] == wanted, name
                assert [codec(name).encode(row) for row in read[name]] == [
                    codec(name).encode(r) for r in wanted
                ]
            await second.commit(Batch(first=0, lines=(), rows=read))
            for name in rows:
                dumps = [[row async for row in store.dump(name)] for store in (first, second)]
                assert dumps[0] == dumps[1]
                assert dumps[0]
            await first.close()
            await second.close()

    asyncio.run(main())


def test_mny_6_entries_come_back_from_their_bytes_as_they_were() -> None:
    for method in TaxLotMethod:
        for entry in traded(method).entries:
            data = encode(entry).data
            assert encode(decode(data, entry.index)).data == data
