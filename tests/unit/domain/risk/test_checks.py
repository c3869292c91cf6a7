"""The checks of the risk gate: the first that refuses speaks."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.domain.funds import Fund
from ordergate.domain.instruments import AssetClass, built_in
from ordergate.domain.orders.commands import SubmitOrder
from ordergate.domain.orders.states import OrderType, Side, State
from ordergate.domain.risk.checks import first_refusal
from ordergate.testing.playbook import Playbook

ORDER = SubmitOrder(
    fund_id="fund",
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(1),
    order_type=OrderType.MARKET,
    key_kind="idempotency_key",
    key="k",
)
FUND = Fund(fund_id="fund", broker="paper")
FX_ONLY = replace(FUND, asset_classes=(AssetClass.FX, AssetClass.METALS))
OF_TWO = replace(FUND, strategies=("trend", "carry"))


@pytest.mark.parametrize(("fund", "strategy", "code"), [
    (FUND, None, None),
    (FUND, "any", None),
    (replace(FUND, asset_classes=(AssetClass.EQUITIES,)), None, None),
    (FX_ONLY, None, "RISK_ASSET_CLASS"),
    (OF_TWO, "carry", None),
    (OF_TWO, "other", "RISK_STRATEGY"),
    (OF_TWO, None, "RISK_STRATEGY"),
    (replace(OF_TWO, asset_classes=(AssetClass.FX,)), None, "RISK_ASSET_CLASS"),
])  # fmt: skip
def test_who_may_trade_what(fund: Fund, strategy: str | None, code: str | None) -> None:
    instrument = built_in("AAPL")
    assert instrument is not None
    refusal = first_refusal(replace(ORDER, strategy_id=strategy), fund, instrument)
    assert (refusal.code if refusal else None) == code


def test_the_reason_says_what_would_be_right() -> None:
    instrument = built_in("AAPL")
    assert instrument is not None
    refusal = first_refusal(ORDER, FX_ONLY, instrument)
    assert refusal is not None
    assert refusal.reason == "AAPL is of class equities; fund fund trades fx, metals"


def test_a_refused_order_is_kept_as_rejected_and_stays_so_under_its_key() -> None:
    book = Playbook(FX_ONLY).submit(1).expect("InstrumentDefined", "OrderEntered", state=State.REJECTED)
    assert (book.order.reason_code, book.order.ended_at) == ("RISK_ASSET_CLASS", book.order.updated_at)
    assert (book.order.requests, book.order.client_id) == ((), None)
    book.submit(1, key="key-1").expect(state=State.REJECTED)
    assert book.answer.replayed
