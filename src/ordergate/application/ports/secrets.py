"""The secrets port: where values are read that nobody may be shown, and the type that holds them."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NoReturn, Protocol

from msgspec import Struct

from ordergate.domain.errors import OrdergateError

HIDDEN: Final = "***"


class SecretError(OrdergateError):
    """A secret cannot be had; the text names the setting and what would be right, never any of the value."""


class SecretAway(SecretError):
    """Who has a secret cannot be asked now; whether it is there is not known."""


class Secret:
    """A value that shows itself nowhere: not as text, in a log, a traceback, JSON or a pickle.

    Only `reveal` gives it; call that where it is handed over, and keep what it gives in no variable.
    """

    __hash__ = None  # type: ignore[assignment]
    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value."""
        return self._value

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, _how: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return self._value == other._value

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, _memo: Any) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class Kind(StrEnum):
    """How a setting says where its secret is."""

    VARIABLE = "env"
    FILE = "file"
    NAME = "secret"


class Place(Struct, frozen=True):
    """Where a secret is, as the configuration says.

    Attributes:
        setting: that says so, such as `nats.token_env`.
        text: the name of a variable, a file, or a name such as `mts1b/brokers/alpaca#api_key`.
        least: characters that it must have.
    """

    setting: str
    kind: Kind
    text: str
    least: int = 1


class Found(Struct, frozen=True, kw_only=True):
    """A secret as it was read.

    Attributes:
        provider: what had it: environment, files or vault.
        where: in the provider, for people: a variable, a file, a path in Vault.
        version: of it, where the provider counts them.
        since: when that version was made, where the provider knows.
        lease_s: how long from now the provider lets us read on, where that ends by itself.
        warning: what is not as it should be, and what would be right.
    """

    value: Secret
    provider: str
    where: str
    version: int | None = None
    since: datetime | None = None
    lease_s: float | None = None
    warning: str | None = None


class SecretReader(Protocol):
    """Reads secrets. It blocks, and may be called in any thread."""

    def read(self, place: Place) -> Found:
        """The secret there, as it is now.

        Raises:
            SecretError: it is not there, or is none.
            SecretAway: that cannot be told now.
        """
        ...

    def due_s(self) -> float | None:
        """In how many seconds it must be given the time to renew what it is let in by; None is never."""
        ...

    def tend(self) -> None:
        """Renews what it is let in by, where that is due.

        Raises:
            SecretError: it could not.
        """
        ...


class Held:
    """A secret in use: calling it gives the value, which is another one after a rotation.

    Attributes:
        found: as it was last read.
        stale: why it could not be read since; None where it could.
    """

    def __init__(self, found: Found) -> None:
        self.found = found
        self.stale: str | None = None
        self._before: Secret | None = None

    def __call__(self) -> Secret:
        """The present value."""
        return self.found.value

    @property
    def accepted(self) -> tuple[Secret, ...]:
        """What others may still use: the value, and for a while the one that it has replaced."""
        return (self.found.value,) if self._before is None else (self.found.value, self._before)

    def replace(self, found: Found) -> bool:
        """Takes what was read; whether the value is another one."""
        before, self.found, self.stale = self.found.value, found, None
        if before == found.value:
            return False
        self._before = before
        return True

    def forget(self) -> None:
        """The value before the last rotation counts no longer."""
        self._before = None


def fixed(value: str) -> Held:
    """A secret that no provider has and that never changes."""
    return Held(Found(value=Secret(value), provider="given", where=""))
