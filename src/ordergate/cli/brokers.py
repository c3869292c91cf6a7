"""`ordergate brokers`: which adapters there are, what a broker can do, and whether it can be reached."""

from typing import Annotated, Any, Final

import typer

from ordergate.adapters.clock import SystemClock
from ordergate.bootstrap.adapters import (
    adapter_of,
    adapters,
    capabilities_of,
    declared_by,
    settings_schema,
    written,
)
from ordergate.bootstrap.brokers import Opening
from ordergate.bootstrap.checking import Finding, State, check_broker, instruments_of
from ordergate.bootstrap.in_force import InForce
from ordergate.bootstrap.secrets import secrets_of
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.places import places
from ordergate.config import Config
from ordergate.domain.errors import Code, NotFound, quoted
from ordergate.domain.identifiers import parse_name

app: Final = typer.Typer(
    help="Adapters, and the brokers that are configured with them.", no_args_is_help=True
)
_COLUMNS: Final = ("adapter", "what", "from", "state", "brokers", "install")
_Name = Annotated[str, typer.Argument(metavar="NAME", help="A broker of the configuration.")]
_BrokerOrAdapter = Annotated[
    str, typer.Argument(metavar="NAME", help="A broker of the configuration, or an adapter.")
]


@app.command("list")
def list_adapters(config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """List every adapter, installed or not, those of other distributions too, and the brokers configured with it."""
    with t.failing(as_json=as_json):
        found = adapters(t.read_config(config))
        if as_json:
            t.print_json({"adapters": [_document(one) for one in found]})
            return
        rows = [
            (
                one.name,
                one.about,
                one.source,
                one.wrong or ("installed" if one.installed else "not installed"),
                ", ".join(one.brokers),
                one.install,
            )
            for one in found
        ]
        t.print_table("Adapters", _COLUMNS, rows)


def _document(one: Any) -> dict[str, Any]:
    return {
        "name": one.name,
        "about": one.about,
        "from": one.source,
        "installed": one.installed,
        "install": one.install,
        "wrong": one.wrong,
        "brokers": list(one.brokers),
    }


@app.command()
def show(
    name: _BrokerOrAdapter,
    schema: Annotated[bool, typer.Option("--schema", help="The JSON Schema of its section instead.")] = False,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Show what a broker can do, as its adapter declares it; nothing is connected to."""
    with t.failing(as_json=as_json):
        read = t.read_config(config)
        section = read.brokers.get(name)
        known = {one.name: one for one in adapters(read)}
        if section is None and name not in known:
            raise _unknown(name, read, tuple(known))
        if schema:
            t.print_json(settings_schema(name if section is None else adapter_of(section)))
            return
        if section is None:
            told = {**_document(known[name]), "capabilities": written(declared_by(name))}
        else:
            can = capabilities_of(_opening(name, db, read), name)
            adapter = adapter_of(section)
            about = known[adapter].about if adapter in known else ""
            told = {"name": name, "adapter": adapter, "about": about, "capabilities": written(can)}
        if as_json:
            t.print_json(told)
        else:
            t.print_table(f"Broker {name}", ("", "value"), _rows(told))


def _rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in told.items():
        if isinstance(value, dict):
            rows += _rows(value)
        elif value is not None and value != []:
            rows.append((name.replace("_", " "), _shown(value)))
    return rows


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


@app.command()
def check(name: _Name, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Ask a broker with the configured credentials, read-only: connection, login, clock, permissions, what it tells.

    No order is sent, and the session of a service that runs is left alone. 1 where something is bad, which a warning,
    such as of a key that may take money out, is not.
    """

    async def main() -> list[Finding]:
        read = t.read_config(config)
        if name not in read.brokers:
            raise _unknown(name, read)
        return await check_broker(_opening(name, db, read), name)

    found = t.run(main, as_json=as_json)
    with t.failing(as_json=as_json):
        if as_json:
            findings = [{"what": one.what, "state": one.state, "detail": one.detail} for one in found]
            t.print_json({"broker": name, "findings": findings})
        else:
            t.print_table(f"Broker {name}", ("what", "state", "detail"), [_row(one) for one in found])
    if any(one.state is State.BAD for one in found):
        raise typer.Exit(t.Exit.ERROR)


def _row(one: Finding) -> tuple[str, str, str]:
    return one.what, one.state, one.detail


@app.command()
def instruments(name: _Name, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False) -> None:
    """Print the tables [instruments.X] of a broker's symbols, as its venue describes them, to be put into the file.

    Of ours the adapters mt5 and mt4 have venues that do. What one does not tell stands there as a comment.
    """

    async def main() -> dict[str, str]:
        read = t.read_config(config)
        if name not in read.brokers:
            raise _unknown(name, read)
        return await instruments_of(_opening(name, db, read), name)

    found = t.run(main, as_json=as_json)
    with t.failing(as_json=as_json):
        if as_json:
            t.print_json({"broker": name, "instruments": found})
        else:
            typer.echo("\n\n".join(found.values()))


@app.command()
def reconnect(
    name: _Name, by: t.As = None, db: t.Db = None, config: t.ConfigFile = None, as_json: t.Json = False
) -> None:
    """Try a login again that a broker has refused; the service that runs does, where there is one.

    1 where it is refused once more, 5 where there is nothing to try again.
    """

    async def main() -> dict[str, Any]:
        broker = parse_name(name, "#/broker")
        async with open_desk(db, config, by=by) as desk:
            return await desk.reconnect(broker)

    told = t.run(main, as_json=as_json)
    with t.failing(as_json=as_json):
        if as_json:
            t.print_json(told)
        else:
            rows = {name: told[name] for name in ("adapter", "session_open", "login_refused", "down")}
            t.print_table(f"Broker {name}", ("", "value"), _rows(rows))
    if told["login_refused"] is not None:
        raise typer.Exit(t.Exit.ERROR)


def _opening(name: str, db: str | None, config: Config) -> Opening:
    """What the broker is made from: of its shard, where there are some."""
    own = next(place for place in places(db, config) if name in place.config.brokers)
    return Opening(InForce(own.config), secrets_of(config), own.url, SystemClock())


def _unknown(name: str, config: Config, adapters: tuple[str, ...] = ()) -> NotFound:
    named = f"is no broker of the configuration; there are {', '.join(config.brokers)}"
    also = f", and the adapters {', '.join(adapters)}" if adapters else ""
    return NotFound(Code.UNKNOWN_BROKER, f"{quoted(name)} {named}{also}", "#/broker")
