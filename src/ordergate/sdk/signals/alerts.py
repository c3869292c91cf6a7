"""Telling somebody."""

import structlog

from ordergate.domain.errors import Code, Invalid

_log = structlog.get_logger("ordergate.sdk.signals")


async def send_alert(text: str) -> None:
    """Says it in the log, as a warning.

    Raises:
        Invalid: it is no text, or an empty one.
    """
    if not isinstance(text, str):
        raise Invalid(Code.WRONG_TYPE, f"expected text, got {type(text).__name__}", "#/text")
    if not text.strip():
        raise Invalid(Code.MISSING, "is empty: what is to be told?", "#/text")
    _log.warning("an alert", text=text)
