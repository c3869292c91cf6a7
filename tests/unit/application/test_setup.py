"""What may change between runs, and what must not."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from ordergate.domain.errors import Conflict, Invalid
from ordergate.domain.funds import Fund
from ordergate.domain.instruments import built_in
from ordergate.domain.orders import commands as c
from ordergate.testing.playbook import FUND, Playbook, fill

AAPL = built_in("AAPL")


def held() -> Playbook:
    return Playbook().submit(100).report(fill("x1", 100, "180", completes=True))


@pytest.mark.parametrize(
    "changes", [{"contract_size": Decimal(100)}, {"currency": "EUR"}, {"base": "APPLE"}], ids=str
)
def test_what_a_unit_is_does_not_change_under_a_position(changes) -> None:
    with pytest.raises(Conflict, match="while it is held"):
        held().step(c.Configure((FUND,), (replace(AAPL, **changes),)))
    with pytest.raises(Conflict, match="while it is held"):
        Playbook().submit(100).step(c.Configure((FUND,), (replace(AAPL, **changes),)))


def test_steps_and_units_of_what_is_not_held_may_change() -> None:
    for book, changes in ((held(), {"tick": Decimal("0.05")}), (Playbook(), {"currency": "EUR"})):
        book.step(c.Configure((FUND,), (replace(AAPL, **changes),)))
        book.expect("InstrumentDefined")


def test_what_is_as_configured_is_not_journalled_again() -> None:
    assert held().step(c.Configure((FUND,), (AAPL,))).entries == []


def test_an_instrument_that_is_configured_no_more_is_not_traded() -> None:
    book = held()
    book.engine.view.instrument = lambda _symbol: None
    with pytest.raises(Invalid, match="neither built in nor configured"):
        book.submit(1)


def test_a_fund_whose_broker_is_gone_is_not_traded() -> None:
    with pytest.raises(Invalid, match="'gone' is no broker"):
        Playbook(Fund(fund_id="fund", broker="gone")).submit(1)
