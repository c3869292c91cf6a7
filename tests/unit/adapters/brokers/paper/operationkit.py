"""Operations at a paper venue in lines of text.

A: supply 100 USDC at aave_v3              client id A.1
A: swap 2 ETH for USDC least 5000
A: bundle 1 USDC = flash_borrow 1000 USDC at aave_v3; swap ...; flash_repay 1000 USDC at aave_v3
"""

from decimal import Decimal
from typing import Any

from paperkit import START, Bench

from ordergate.adapters.brokers.paper import PaperSettings
from ordergate.application.ports.brokers import Answer, Send
from ordergate.domain.instruments import AssetClass, Instrument, Unit, built_in
from ordergate.domain.market import Quote
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import Leg, OperationTerms, side_of
from ordergate.domain.orders.reports import AnyReport, Ended, Executed
from ordergate.domain.orders.states import OrderType, Side, TimeInForce

_WORDS = {"at": "venue", "for": "token_out", "to": "target", "least": "least_out"}
_TENTH = Decimal("0.1")


def _coin(symbol: str, **terms: Any) -> Instrument:
    pair = symbol.partition(":")[0]
    base, _, currency = pair.partition("/")
    return Instrument(
        symbol=symbol,
        asset_class=AssetClass.CRYPTO,
        unit=Unit.COINS,
        tick=_TENTH,
        lot_step=Decimal("0.001"),
        minimum=Decimal("0.001"),
        base=base,
        currency=currency,
        **{"contract_size": Decimal(1), **terms},
    )


PERP = "BTC/USDT:USDT"
BIG = "ETH/USDT:USDT"
CONFIGURED = {
    **{pair: _coin(pair) for pair in ("ETH/USDC", "USDC/USDT", "GNAT/USDC", "GNAT/USDT", "XYZ/USDC")},
    PERP: _coin(PERP, perpetual=True),
    BIG: _coin(BIG, perpetual=True, contract_size=Decimal(10)),
}


def instruments(symbol: str) -> Instrument | None:
    return CONFIGURED.get(symbol) or built_in(symbol)


def leg_of(words: list[str]) -> Leg:
    kind, quantity, token, *rest = words
    terms: dict[str, Any] = {_WORDS[rest[i]]: rest[i + 1] for i in range(0, len(rest), 2)}
    if "least_out" in terms:
        terms["least_out"] = Decimal(terms["least_out"])
    return Leg(operation=Operation(kind), quantity=Decimal(quantity), token=token, **terms)


def send_of(client_id: str, line: str) -> Send:
    head, _, legs = line.partition(" = ")
    leg = leg_of(head.split())
    terms = OperationTerms(
        venue=leg.venue,
        token_out=leg.token_out,
        target=leg.target,
        least_out=leg.least_out,
        legs=tuple(leg_of(part.split()) for part in legs.split(";")) if legs else (),
    )
    return Send(
        client_id=client_id,
        symbol=f"token:{leg.token}",
        side=side_of(leg.operation),
        quantity=leg.quantity,
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        operation=leg.operation,
        terms=terms,
    )


class OperationBench(Bench):
    """As `Bench`, with tokens and perpetual contracts."""

    def __init__(self, settings: PaperSettings | None = None, path: Any = None) -> None:
        super().__init__(settings, path, START, PERP)

    async def open(self, cursor: str | None = None) -> "OperationBench":
        await super().open(cursor)
        return self

    def another(self, instruments: Any = instruments, name: str = "paper") -> Any:
        return super().another(instruments, name)

    def market(self, symbol: str, bid: str, ask: str) -> None:
        self.broker.set_quote(Quote(symbol, self.clock.now(), Decimal(bid), Decimal(ask)))

    async def ask(self, line: str) -> Answer:
        """Sends an operation, or a market order of a contract: `A: buy 2 BTC/USDT:USDT`."""
        name, _, rest = line.partition(": ")
        words = rest.split()
        if words[0] not in ("buy", "sell"):
            return await self.broker.submit(send_of(f"{name}.1", rest))
        return await self.broker.submit(
            Send(
                client_id=f"{name}.1",
                symbol=words[2],
                side=Side(words[0]),
                quantity=Decimal(words[1]),
                order_type=OrderType.MARKET,
                tif=TimeInForce.GTC,
                operation=Operation.PERP_TRADE,
            )
        )

    def executions(self) -> list[Executed]:
        return [report for report in self.sink.reports if isinstance(report, Executed)]


def moves(report: Executed) -> list[str]:
    """Its deltas, and its fee."""
    told = [f"{delta.position_key} {delta.amount:+f}" for delta in report.deltas or ()]
    return told + ([f"fee {report.fee:f} {report.fee_currency}"] if report.fee else [])


def ends(reports: list[AnyReport]) -> list[str]:
    return [report.reason or "" for report in reports if isinstance(report, Ended)]
