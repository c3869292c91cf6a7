"""A gate under load, to be killed: `python -m tests.acceptance.crash.worker DATABASE ANSWERS RUN [BUG]`.

Writes `ready` when it trades, and every order that it was answered for to ANSWERS. A BUG is planted to show
that the suite finds it.
"""

import asyncio
import contextlib
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal

from tests.services.funds import RICH

from ordergate.adapters.brokers.paper import Faults
from ordergate.application.dispatch import send_of
from ordergate.application.entry import decode
from ordergate.application.runner import Runner
from ordergate.application.settlement import Settlement
from ordergate.bootstrap import Gate, open_gate
from ordergate.config import Config, PaperBroker
from ordergate.domain.errors import Refused
from ordergate.domain.market import Quote
from ordergate.domain.orders.commands import CancelOrder, ReplaceOrder, SubmitOrder
from ordergate.domain.orders.order import Order, Request
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

FAULTS = Faults(
    drop_answer=Decimal("0.1"),
    late_answer=Decimal("0.05"),
    late_answer_ms=20,
    duplicate_report=Decimal("0.1"),
    reorder_report=Decimal("0.1"),
)
CALLERS = 24
PRICES = {
    "AAPL": ("180.40", "180.50"),
    "EURUSD": ("1.08120", "1.08125"),
    "BTC/USDT": ("67000.00", "67001.00"),
}
QUANTITIES = {"AAPL": "10", "EURUSD": "0.05", "BTC/USDT": "0.01"}


def settings() -> Config:
    return Config(brokers={"paper": PaperBroker(faults=FAULTS)}, limits=RICH)


def no_write_ahead() -> None:
    commit = Runner._commit

    async def late(self, batch):
        entries = [decode(line.data, index) for index, line in enumerate(batch.lines, batch.first)]
        for listener in self._listeners:
            listener(entries)
        await asyncio.sleep(0.01)
        return await commit(self, batch)

    Runner._commit = late


def blind_resend() -> None:
    async def again(self, _key, order: Order, request: Request, _looks) -> None:
        send = send_of(order, request)
        other = type(send)(
            **{n: getattr(send, n) for n in send.__struct_fields__} | {"client_id": f"{send.client_id}0"}
        )
        await self._broker.submit(other)

    Settlement._look = again


async def trade(gate: Gate, run: str, caller: int, answers) -> None:
    symbols = list(PRICES)
    number = 0
    while True:
        number += 1
        symbol = symbols[(caller + number) % len(symbols)]
        bid, _ask = PRICES[symbol]
        resting = number % 5 == 0
        side = Side.BUY if (caller + number) % 2 else Side.SELL
        price = (Decimal(bid) * (Decimal("0.9") if side is Side.BUY else Decimal("1.1"))).quantize(
            Decimal(bid)
        )
        key = f"{run}-{caller}-{number}"
        command = SubmitOrder(
            fund_id="paper-momentum",
            symbol=symbol,
            side=side,
            quantity=Decimal(QUANTITIES[symbol]),
            order_type=OrderType.LIMIT if resting else OrderType.MARKET,
            limit_price=price if resting else None,
            tif=TimeInForce.GTC,
            key_kind="idempotency_key",
            key=key,
        )
        result = await gate.execute(command)
        os.write(answers, f"{key} {result.order.order_id}\n".encode())
        if resting:
            with contextlib.suppress(Refused):
                if number % 2:
                    more = ReplaceOrder(order_id=result.order.order_id, quantity=2 * command.quantity)
                    await gate.execute(more)
                await gate.execute(CancelOrder(order_id=result.order.order_id))


async def main(database: str, answers: str, run: str, bug: str | None) -> None:
    if bug is not None:
        {"no_write_ahead": no_write_ahead, "blind_resend": blind_resend}[bug]()
    file = os.open(answers, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    async with open_gate(settings(), f"sqlite:///{database}") as gate:
        for symbol, (bid, ask) in PRICES.items():
            quote = Quote(symbol, datetime.now(UTC), Decimal(bid), Decimal(ask), pinned=True)
            await gate.set_quote("paper", quote)
        print("ready", flush=True)
        async with asyncio.TaskGroup() as group:
            for caller in range(CALLERS):
                group.create_task(trade(gate, run, caller, file))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None))
