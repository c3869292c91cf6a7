"""How answers about what funds are worth look, for the OpenAPI document alone."""

from datetime import date
from typing import Any, Final

from pydantic import BaseModel, Field

from ordergate.api.rest.answers import Quote
from ordergate.api.rest.schema_types import Instant, Number


class PeriodResult(BaseModel):
    """Profit or loss since a period began."""

    began: date = Field(description="Its first day, in UTC.")
    nav_usd: Number = Field(description="What the fund was worth then.")
    pnl_usd: Number | None


class Nav(BaseModel):
    """What a fund is worth, in US dollars."""

    fund_id: str
    time: Instant
    nav_usd: Number | None = Field(
        description="What it began with + realized + unrealized; null where one of them is not known."
    )
    began_with_usd: Number | None = Field(description="nav_usd of the fund's limits.")
    realized_usd: Number | None = Field(description="Less fees.")
    unrealized_usd: Number | None
    profits: dict[str, Number] = Field(description="Realized less fees, by currency.")
    day: PeriodResult | None = Field(description="Null where the fund was not valued since it began.")
    week: PeriodResult | None
    month: PeriodResult | None
    missing: list[str] = Field(description="Why something is null.")


class Quotes(BaseModel):
    """The last quote of each symbol."""

    items: list[Quote]


_DAY: Final = {"began": "2026-05-22", "nav_usd": "1000000", "pnl_usd": "240"}
EXAMPLE: Final[dict[str, Any]] = {
    "fund_id": "paper-momentum",
    "time": "2026-05-22T14:32:00.000000Z",
    "nav_usd": "1000240",
    "began_with_usd": "1000000",
    "realized_usd": "250",
    "unrealized_usd": "-10",
    "profits": {"USD": "250"},
    "day": _DAY,
    "week": {**_DAY, "began": "2026-05-18"},
    "month": {**_DAY, "began": "2026-05-01"},
    "missing": [],
}
