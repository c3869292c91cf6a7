"""The checks of the risk gate: the first that refuses speaks."""

import pytest
from msgspec.structs import replace

from ordergate.domain.funds import Fund
from ordergate.domain.instruments import AssetClass
from ordergate.domain.orders.decision import RiskCode
from ordergate.domain.orders.states import State
from ordergate.domain.risk.checks import CHECKS
from ordergate.testing.playbook import Playbook

FUND = Fund(fund_id="fund", broker="paper", unlimited=True)
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
    assert Playbook(fund).submit(1, strategy_id=strategy).answer.decision.code == code


def test_the_reason_says_what_would_be_right() -> None:
    book = Playbook(FX_ONLY).submit(1)
    assert book.order.reason == "AAPL is of class equities; fund fund trades fx, metals"


def test_a_refused_order_is_kept_as_rejected_and_stays_so_under_its_key() -> None:
    book = Playbook(FX_ONLY).submit(1).expect("InstrumentDefined", "OrderEntered", state=State.REJECTED)
    assert (book.order.reason_code, book.order.ended_at) == ("RISK_ASSET_CLASS", book.order.updated_at)
    assert (book.order.requests, book.order.client_id) == ((), None)
    book.submit(1, key="key-1").expect(state=State.REJECTED)
    assert book.answer.replayed


def test_each_check_has_its_name_and_says_what_it_is_about() -> None:
    assert len({check.__name__ for check in CHECKS}) == len(CHECKS)
    assert all(check.__doc__ for check in CHECKS)


def test_codes_are_stable() -> None:
    assert all(code.value == f"RISK_{code.name}" for code in RiskCode)
