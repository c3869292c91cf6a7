"""`ordergate config reload` and `config status`: of the service that has the database."""

from pathlib import Path
from typing import Any

from ordergate.adapters.journals.location import safe_to_show
from ordergate.cli import terminal as t
from ordergate.cli.administration import config_app
from ordergate.cli.desk import door_beside, principal
from ordergate.cli.door import served_by
from ordergate.cli.places import ShardName, places
from ordergate.domain.errors import StoreError
from ordergate.domain.identifiers import parse_name

app = config_app
_LOST = "look at it: ordergate config status"
_KEYS = ("key", "class", "in force", "wanted", "why not yet")


@config_app.command("status")
def status(
    shard: ShardName = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """Show how the configuration of a running service stands: sources, what is pending, the last reload."""

    async def main() -> None:
        found = await _ask("GET", "/v1/config", db, config, shard, None)
        t.print_json(found) if as_json else _say(found)

    t.run(main, as_json=as_json)


@config_app.command("reload")
def reload(
    by: t.As = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Have a running service read its configuration again; it does so by itself when a source changes."""

    async def main() -> None:
        found = await _ask("POST", "/v1/config/reload", db, config, shard, by)
        t.print_json(found) if as_json else _say(found)

    t.run(main, as_json=as_json)


async def _ask(
    method: str, path: str, db: str | None, config: Path | None, shard: str | None, by: str | None
) -> dict[str, Any]:
    at = places(db, t.read_config(config), shard)
    database, door = door_beside(at)
    if database is None or door is None:
        raise StoreError(
            f"no service has {safe_to_show(at[0].url)} on this machine: the next start reads the configuration anew"
        )
    who = principal() if by is None else parse_name(by, "#/as")
    async with served_by(database, door, who) as desk:
        return await desk.ask(method, path, {}, _LOST)


def _say(found: dict[str, Any]) -> None:
    last = found["last_reload"]
    if last is None:
        t.out.print("as the service was started with")
    else:
        changed = f": {', '.join(one['key'] for one in last['changed'])}" if last["changed"] else ""
        why = f": {last['reason']}" if last["reason"] else ""
        t.out.print(f"{last['at']} {last['outcome']}{changed}{why}", soft_wrap=True)
    rows = [
        (
            one["name"],
            one["revision"],
            f"{one['age_s']:.0f} s" + (", kept" if one["kept"] else ""),
            one["error"] or "",
        )
        for one in found["sources"]
    ]
    if rows:
        t.print_table("Sources", ("source", "revision", "age", "error"), rows)
    pending = [
        (one["key"], one["class"], one["old"] or "", one["new"] or "", one["reason"])
        for one in found["pending"]
    ]
    if pending:
        t.print_table("Pending", _KEYS, pending)
