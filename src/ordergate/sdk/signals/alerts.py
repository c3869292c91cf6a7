"""Telling somebody."""

import structlog

_log = structlog.get_logger("ordergate.sdk.signals")


async def send_alert(text: str) -> None:
    """Says it in the log, as a warning."""
    _log.warning("an alert", text=text)
