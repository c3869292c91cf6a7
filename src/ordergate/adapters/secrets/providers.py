"""The providers of secrets, and which of them is asked."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ordergate.adapters.secrets.places import file_of, from_file, from_variable, variable_of
from ordergate.adapters.secrets.vault import Vault
from ordergate.application.ports.secrets import Found, Kind, Place, SecretError

ProviderName = Literal["environment", "files", "vault"]


class Providers:
    """Reads what settings name: a variable, a file, or a name that the first provider has that knows it.

    A provider that cannot be asked ends the search: a later one may have what was replaced long ago.

    Args:
        order: of those that are asked for names.
        folder: of the files.
        vault: None where there is none.
    """

    def __init__(
        self,
        order: Sequence[ProviderName] = ("environment", "files"),
        folder: Path = Path("/run/secrets"),
        vault: Vault | None = None,
    ) -> None:
        self._order, self._folder, self._vault = order, folder, vault

    def read(self, place: Place) -> Found:
        """The secret there, as it is now.

        Raises:
            SecretError: it is not there, or is none.
            SecretAway: that cannot be told now.
        """
        if place.kind is Kind.FILE:
            return from_file(Path(place.text), place)
        if place.kind is Kind.NAME:
            return self._named(place)
        found = from_variable(place.text)
        if found is None:  # its name is not shown: it may be the secret itself, put here by mistake
            raise SecretError(
                f"{place.setting}: the variable that it names is not set; the secret itself does not go here"
            )
        return found

    def _named(self, place: Place) -> Found:
        looked: list[str] = []
        for name in self._order:
            found, where = self._ask(name, place)
            if found is not None:
                return found
            if where:
                looked.append(where)
        raise SecretError(
            f"{place.setting}: there is no secret {place.text}: put it into one of {', '.join(looked)}"
        )

    def _ask(self, provider: ProviderName, place: Place) -> tuple[Found | None, str]:
        """What a provider has, and where it looks; nowhere, where it is not set up."""
        if provider == "environment":
            variable = variable_of(place.text)
            return from_variable(variable), f"the variable {variable}"
        if provider == "files":
            path = file_of(self._folder, place.text)
            return (from_file(path, place) if _is_there(path) else None), f"the file {path}"
        if self._vault is None:
            return None, ""
        return self._vault.read(place), self._vault.place_of(place.text)

    def due_s(self) -> float | None:
        """See `Vault.due_s`."""
        return None if self._vault is None else self._vault.due_s()

    def tend(self) -> None:
        """See `Vault.tend`."""
        if self._vault is not None:
            self._vault.tend()


def _is_there(path: Path) -> bool:
    """Whether there is such a file; one that cannot be looked at is, for reading it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        pass
    return True
