"""What the configuration says of orders that take too long."""

from collections.abc import Iterable

from ordergate.config.errors import ConfigError
from ordergate.domain.delays import WorkerTerms
from ordergate.domain.orders.states import Remedy


def check_workers(sections: Iterable[tuple[str, WorkerTerms | None]], where: str) -> None:
    """Raises ConfigError where a section, by its path, names a remedy and not after how long."""
    for path, terms in sections:
        if terms is None or terms.retry_unfilled is Remedy.ALERT or terms.unfilled_after_s is not None:
            continue
        raise ConfigError(
            f"{where}{path}.unfilled_after_s: is missing, and without it retry_unfilled = "
            f'"{terms.retry_unfilled}" does nothing: after how many seconds is an order unfilled?'
        )
