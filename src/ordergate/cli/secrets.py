"""`ordergate secrets`, and what `ordergate doctor` says of secrets: where each was found, and never what it is."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import typer
from msgspec import Struct

from ordergate.adapters.clock import SystemClock
from ordergate.application.ports.secrets import Found, Place, SecretError
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.secrets import secrets_of
from ordergate.cli import terminal as t
from ordergate.config import Config
from ordergate.config.secret_places import places_in

app: Final = typer.Typer(help="Where secrets are found.", no_args_is_help=True)
_COLUMNS: Final = ("setting", "state", "provider", "where", "version", "age", "lease", "detail")


class Looked(Struct, frozen=True):
    """What came of looking for one secret."""

    place: Place
    found: Found | None
    wrong: str | None

    @property
    def state(self) -> str:
        """ok, warn or bad."""
        return "bad" if self.found is None else "warn" if self.wrong else "ok"


@app.callback()
def _secrets() -> None:
    """There is one command so far; it has a name."""


@app.command()
def check(config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Look for every secret that the configuration file names, and say where each was found; 1 where one was not."""
    with t.failing(as_json=as_json):
        looked, now = list(look(t.read_config(config))), SystemClock().now()
        if as_json:
            t.print_json({"secrets": [_document(one) for one in looked]})
        else:
            t.print_table("Secrets", _COLUMNS, [_row(one, now) for one in looked])
        if any(one.found is None for one in looked):
            raise typer.Exit(t.Exit.ERROR)


def look(config: Config) -> Iterator[Looked]:
    """Looks for each secret; what lets us into Vault comes first."""
    secrets, word = secrets_of(config), config.secrets.vault.word()
    for place in ([] if word is None else [word]) + places_in(config):
        yield _look(secrets, place)


def _look(secrets: Secrets, place: Place) -> Looked:
    try:
        found = secrets.hold(place).found
    except SecretError as error:
        return Looked(place, None, str(error))
    return Looked(place, found, found.warning)


def _document(one: Looked) -> dict[str, Any]:
    found = one.found
    return {
        "setting": one.place.setting,
        "state": one.state,
        "provider": found and found.provider,
        "where": found and found.where,
        "version": found and found.version,
        "since": found and found.since and found.since.isoformat(),
        "lease_s": found and found.lease_s and round(found.lease_s),
        "detail": one.wrong,
    }


def _row(one: Looked, now: datetime) -> tuple[Any, ...]:
    found = one.found
    if found is None:
        return (one.place.setting, one.state, None, None, None, None, None, one.wrong)
    age = None if found.since is None else now - found.since
    lease = None if found.lease_s is None else timedelta(seconds=found.lease_s)
    return (
        one.place.setting,
        one.state,
        found.provider,
        found.where,
        found.version,
        _span(age),
        _span(lease),
        one.wrong,
    )


def _span(time: timedelta | None) -> str | None:
    """About how long, in its largest unit."""
    if time is None:
        return None
    seconds = max(time.total_seconds(), 0)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


def _doctor(config: Config, _url: str) -> tuple[str, str]:
    looked = list(look(config))
    for state in ("bad", "warn"):
        wrong = [one.wrong or "" for one in looked if one.state == state]
        if wrong:
            return state, "; ".join(wrong)
    tally = Counter(one.found.provider for one in looked if one.found is not None)
    return "ok", ", ".join(f"{count} from {provider}" for provider, count in tally.items())


SECRETS_CHECKS: Final = {"secrets": _doctor}
