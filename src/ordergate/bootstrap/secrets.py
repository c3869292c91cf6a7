"""The secrets of a configuration: who is asked for them, and their being read again while a gate runs."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from ordergate.adapters.journals.passwords import use_password
from ordergate.adapters.secrets.providers import Providers
from ordergate.adapters.secrets.vault import Vault
from ordergate.application.ports.clock import Clock
from ordergate.application.ports.secrets import Held, Place, Secret
from ordergate.application.secrets import Secrets
from ordergate.config import Config
from ordergate.config.secret_places import places_in
from ordergate.config.secrets import SecretsSection, place_of

_SPREAD: Final = 0.1


def providers_of(section: SecretsSection) -> Providers:
    """Who is asked; nobody is yet."""
    return Providers(section.order, Path(section.folder), _vault(section))


def _vault(section: SecretsSection) -> Vault | None:
    target, place = section.vault.target(), section.vault.word()
    if target is None:
        return None
    return Vault(target, None if place is None else partial(_read, place))


def _read(place: Place) -> Secret:
    return Providers().read(place).value


def secrets_of(config: Config) -> Secrets:
    """Holds what a configuration names; nothing is read yet, and nothing is read again by itself."""
    return Secrets(providers_of(config.secrets))


def use_passwords(config: Config, secrets: Callable[[], Secrets]) -> None:
    """From here on the configured databases are connected to with the passwords that are named for them."""
    named = {config.database.url: place_of(config.database, "password", "database")}
    for name, shard in config.shards.items():
        if shard.database is not None:
            named[shard.database] = place_of(shard, "password", f"shards.{name}")
    for url, place in named.items():
        if place is not None:
            use_password(url, partial(_present, secrets, place))


def _present(secrets: Callable[[], Secrets], place: Place) -> Secret:
    return secrets().hold(place)()


@asynccontextmanager
async def keeping_secrets(
    config: Config, clock: Clock, used: Secrets | None = None
) -> AsyncIterator[Secrets]:
    """What the configuration names has been read, and is read again meanwhile.

    Args:
        used: those that are in use already, to which others may come even where none is named yet.

    Raises:
        SecretError: one cannot be had.
    """
    secrets, places = used or secrets_of(config), places_in(config)
    if not places and used is None:
        yield secrets
        return
    await secrets.load(places)
    use_passwords(config, lambda: secrets)
    watching = asyncio.get_running_loop().create_task(
        secrets.watch(config.secrets.refresh_s, _jitter, clock.sleep)
    )
    try:
        yield secrets
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


def _jitter() -> float:
    return 1 + _SPREAD * (os.urandom(1)[0] / 127.5 - 1)


class BrokerSecrets(Mapping[str, Secret]):
    """What a class of somebody's own is given: each look gives the present value, to be revealed where it is used."""

    def __init__(self, held: Mapping[str, Held]) -> None:
        self._held = held

    def __getitem__(self, name: str) -> Secret:
        return self._held[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)
