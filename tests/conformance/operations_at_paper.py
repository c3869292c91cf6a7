"""What the broker suite has a paper venue do beside trades, and what such a venue refuses."""

from decimal import Decimal

from ordergate.application.ports.brokers import Send
from ordergate.domain.operations import Operation
from ordergate.domain.orders.operations import Leg, OperationTerms, side_of
from ordergate.domain.orders.states import OrderType, TimeInForce
from ordergate.testing.conformance.counterpart import OperationSample

HUNDRED = Decimal(100)
USDC, ETH, USDT = "paper:BaseToken:USDC", "paper:BaseToken:ETH", "paper:BaseToken:USDT"
CLAIM, DEBT, STAKED = "aave_v3:aToken:aUSDC", "aave_v3:debtToken:variableDebtUSDC", "lido:LST:stETH"
AAVE, LIDO = OperationTerms(venue="aave_v3"), OperationTerms(venue="lido")
LOAN = {"quantity": HUNDRED, "token": "USDC", "venue": "aave_v3"}
BORROWED = Leg(operation=Operation.FLASH_BORROW, **LOAN)
REPAID = Leg(operation=Operation.FLASH_REPAY, **LOAN)
SUPPLIED = Leg(operation=Operation.SUPPLY, **LOAN)


def send(operation: Operation, token: str, terms: OperationTerms) -> Send:
    return Send(
        client_id="",
        symbol=f"token:{token}",
        side=side_of(operation),
        quantity=HUNDRED,
        order_type=OrderType.MARKET,
        tif=TimeInForce.GTC,
        operation=operation,
        terms=terms,
    )


def _sample(operation: Operation, token: str, terms: OperationTerms, **moves: int) -> OperationSample:
    names = {"usdc": USDC, "eth": ETH, "usdt": USDT, "claim": CLAIM, "debt": DEBT, "staked": STAKED}
    keys = {names.get(name, name): Decimal(amount) for name, amount in moves.items()}
    return OperationSample(send=send(operation, token, terms), moves=keys)


SAMPLES = (
    _sample(Operation.SUPPLY, "USDC", AAVE, usdc=-100, claim=100),
    _sample(Operation.BORROW, "USDC", AAVE, usdc=100, debt=100),
    _sample(Operation.REPAY, "USDC", AAVE, usdc=-100, debt=-100),
    _sample(Operation.WITHDRAW, "USDC", AAVE, usdc=100, claim=-100),
    _sample(Operation.STAKE, "ETH", LIDO, eth=-100, staked=100),
    _sample(Operation.UNSTAKE, "ETH", LIDO, eth=100, staked=-100),
    _sample(Operation.SWAP, "ETH", OperationTerms(token_out="USDT"), eth=-100, usdt=200_000),
    _sample(
        Operation.TRANSFER, "USDC", OperationTerms(target="other"), usdc=-100, **{"other:BaseToken:USDC": 100}
    ),
    _sample(
        Operation.BUNDLE,
        "USDC",
        OperationTerms(legs=(BORROWED, SUPPLIED, REPAID)),
        usdc=-100,
        claim=100,
    ),
)
"""With ETH at 2000 USDT."""
REFUSED = {
    "nothing quotes it": send(Operation.SWAP, "XYZ", OperationTerms(token_out="USDT")),
    "too little comes out": send(
        Operation.SWAP, "ETH", OperationTerms(token_out="USDT", least_out=Decimal(200_001))
    ),
    "a flash loan alone": send(Operation.FLASH_BORROW, "USDC", AAVE),
    "a flash loan that is not repaid": send(
        Operation.BUNDLE, "USDC", OperationTerms(legs=(BORROWED, SUPPLIED))
    ),
    "nowhere to go": send(Operation.TRANSFER, "USDC", OperationTerms()),
}
