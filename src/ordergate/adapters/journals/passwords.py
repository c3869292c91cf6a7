"""The passwords of databases whose URL has none.

They are looked up at each connection, so that a rotated one counts at the next.
"""

from collections.abc import Callable
from typing import Final

from ordergate.application.ports.secrets import Secret, SecretError
from ordergate.domain.errors import StoreError

_of_url: Final[dict[str, Callable[[], Secret]]] = {}


def use_password(url: str, secret: Callable[[], Secret]) -> None:
    """From here on connections to that URL, in this process, are made with that password."""
    _of_url[url] = secret


def password_of(url: str) -> Callable[[], str] | None:
    """What gives the password for a URL; None where its own counts, or those that the driver finds.

    What it gives raises StoreError where the password cannot be had.
    """
    secret = _of_url.get(url)
    if secret is None:
        return None

    def reveal() -> str:
        try:
            return secret().reveal()
        except SecretError as error:
            raise StoreError(str(error)) from None

    return reveal
