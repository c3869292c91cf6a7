"""Orders that were made before, by the keys that their callers have given them."""

from ordergate.bootstrap import Gate
from ordergate.sdk.venues.wanted import KEY


async def made_by(gate: Gate, fund_id: str, key: str) -> str | None:
    """The order that a key stands for; None where it stands for none, or does so no more."""
    await gate.runner.settled()
    now = gate.clock.now()
    rows = await gate.journal.get("keys", [(fund_id, KEY, key)])
    return next((row.order_id for row in rows if row.expires_at is None or row.expires_at > now), None)
