"""What of a new configuration can be taken over now, and what waits for what: pure."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ordergate.config import Config, check
from ordergate.config.changing import ABSENT, Change, Path, compare, mixed
from ordergate.config.errors import ConfigError
from ordergate.domain.configuration import KeyClass

AFTER_RESTART: Final = "it counts after a restart"
WITH_NEXT_SESSION: Final = "it counts from the next session at the broker on"
STAYS: Final = "its limits stay, also after a restart: leave its table empty to take them away"

Withheld = Callable[[Path], str | None]
"""Why the limits of a scope cannot be taken over now, by the key of their table; None where they can."""


class Plan(Struct, frozen=True):
    """What to do about a configuration.

    Attributes:
        config: what is in force then.
        taken: what changes now, or with the next session.
        waiting: what does not, and why.
    """

    config: Config
    taken: tuple[Change, ...]
    waiting: tuple[tuple[Change, str], ...]


def plan(standing: Config, new: Config, withheld: Withheld, where: str) -> Plan:
    """Takes all of the new one that needs no restart; that alone, where it can stand so.

    Raises:
        ConfigError: what could change now contradicts what needs a restart, which it would have to come with.
    """
    changes = compare(standing, new)
    reasons = {change.path: reason for change in changes if (reason := _waits(change, withheld)) is not None}
    config = mixed(standing, new, lambda change: change.path not in reasons)
    try:
        check(config, where)
    except ConfigError as error:
        needed = ", ".join(change.key for change in changes if change.path in reasons)
        raise ConfigError(
            f"{error}; {needed} would be needed now and cannot change now: restart the service to take all of it over"
        ) from error
    taken = tuple(change for change in changes if change.path not in reasons)
    waiting = tuple((change, reasons[change.path]) for change in changes if change.path in reasons)
    return Plan(config, taken, waiting)


def _waits(change: Change, withheld: Withheld) -> str | None:
    if change.key_class is KeyClass.RESTART:
        return AFTER_RESTART
    table = limits_table(change.path)
    if table is None:
        return None
    gone = change.new is ABSENT or (change.path == table and change.new is None)
    return STAYS if gone and change.path == table else withheld(table)


def limits_table(path: Path) -> Path | None:
    """The key of the table of limits that a key is in; None where it is in none."""
    if path[0] == "shards" and path[2:3] == ("limits",):
        return path[:3]
    if path[0] != "limits":
        return None
    return path[:2] if path[1] == "firm" else path[:3]
