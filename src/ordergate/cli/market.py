"""What commands value positions at: the quotes of whoever serves the database, and the configured rates."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ordergate.adapters.clock import SystemClock
from ordergate.cli import terminal as t
from ordergate.cli.desk import door_beside, principal
from ordergate.cli.door import served_by
from ordergate.cli.places import places
from ordergate.domain.errors import StoreBusy
from ordergate.domain.market import Quote
from ordergate.domain.money import parse_decimal
from ordergate.domain.risk.valuation import Market


async def market(db: str | None, config: Path | None, shard: str | None) -> Market:
    """The market as it is known here; a database that nobody serves has no quotes."""
    settings = t.read_config(config)
    path, door = door_beside(places(db, settings, shard))
    quotes: list[dict[str, Any]] = []
    if path is not None and door is not None:
        try:
            async with served_by(path, door, principal()) as desk:
                quotes = (await desk.get("/v1/quotes"))["items"]
        except StoreBusy:
            t.say(
                f"the door {door.url} that the file beside the database names does not answer: there are no quotes"
            )
    return Market(
        year=SystemClock().now().year,
        quotes={quote["symbol"]: _quote(quote) for quote in quotes},
        rates=settings.rates,
    )


def _quote(shown: Mapping[str, Any]) -> Quote:
    bid, ask = (parse_decimal(shown[name], f"#/{name}") for name in ("bid", "ask"))
    return Quote(symbol=shown["symbol"], time=datetime.fromisoformat(shown["time"]), bid=bid, ask=ask)
