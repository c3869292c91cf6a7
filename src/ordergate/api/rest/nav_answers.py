"""How answers about what funds are worth look, for the OpenAPI document alone."""

from datetime import date
from typing import Any, Final

from pydantic import Field

from ordergate.api.rest.answers import Quote, Rate
from ordergate.api.rest.schema_types import Instant, Number
from ordergate.api.rest.shown import Shown


class PeriodResult(Shown):
    """Profit or loss since a period began."""

    began: date = Field(description="Its first day, in UTC.")
    nav_usd: Number = Field(description="What the fund was worth then.")
    pnl_usd: Number | None
    nav_fund: Number | None = Field(
        description="The same in fund_currency, by the rate of then; null without, and since money was paid in or out."
    )
    pnl_fund: Number | None = Field(
        description="What the fund is worth now less that: what its currency's rate did counts."
    )


class Nav(Shown):
    """What a fund is worth, in US dollars and in its base currency."""

    fund_id: str
    time: Instant
    nav_usd: Number | None = Field(
        description="What it began with + realized + unrealized; null where one of them is not known."
    )
    began_with_usd: Number | None = Field(description="nav_usd of the fund's limits.")
    realized_usd: Number | None = Field(description="Less fees.")
    unrealized_usd: Number | None
    profits: dict[str, Number] = Field(description="Realized less fees, by currency.")
    fund_currency: str = Field(description="Its base currency.")
    fund_rate: Rate | None = Field(
        description="What a US dollar is worth in it now; null where no rate leads there."
    )
    nav_fund: Number | None = Field(description="nav_usd at that rate.")
    realized_fund: Number | None = Field(description="Likewise.")
    unrealized_fund: Number | None
    day: PeriodResult | None = Field(description="Null where the fund was not valued since it began.")
    week: PeriodResult | None
    month: PeriodResult | None
    missing: list[str] = Field(description="Why something is null.")


class Quotes(Shown):
    """The last quote of each symbol."""

    items: list[Quote]


_DAY: Final = {
    "began": "2026-05-22",
    "nav_usd": "1000000",
    "pnl_usd": "240",
    "nav_fund": "1000000",
    "pnl_fund": "240",
}
EXAMPLE: Final[dict[str, Any]] = {
    "fund_id": "paper-momentum",
    "time": "2026-05-22T14:32:00.000000Z",
    "nav_usd": "1000240",
    "began_with_usd": "1000000",
    "realized_usd": "250",
    "unrealized_usd": "-10",
    "profits": {"USD": "250"},
    "fund_currency": "USD",
    "fund_rate": {"rate": "1", "source": "same currency", "time": None},
    "nav_fund": "1000240",
    "realized_fund": "250",
    "unrealized_fund": "-10",
    "day": _DAY,
    "week": {**_DAY, "began": "2026-05-18"},
    "month": {**_DAY, "began": "2026-05-01"},
    "missing": [],
}
