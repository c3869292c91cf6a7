"""`ordergate analytics`: questions to the tables in ClickHouse."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from msgspec.structs import replace

from ordergate.adapters.clickhouse import Answer, Target
from ordergate.adapters.clickhouse.questions import QUESTIONS, ask
from ordergate.bootstrap.secrets import secrets_of
from ordergate.cli import terminal as t
from ordergate.config import Config

app: Final = typer.Typer(help="Orders, executions and positions in ClickHouse.", no_args_is_help=True)
_NUMBERS: Final = ("Float", "Decimal", "Int", "UInt")


@app.callback()
def _analytics() -> None:
    """The commands have names."""


@app.command()
def query(
    question: Annotated[
        str, typer.Argument(help=f"One of {', '.join(QUESTIONS)}; or SQL, such as SELECT ...")
    ],
    chdb: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Ask the engine's own database in that folder instead of a server."
        ),
    ] = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Ask a question of the tables in ClickHouse. Nothing can be changed by it.

    recent: the orders of the last day. fill-rate: how many orders of seven days were filled, rejected or cancelled.
    slippage: in pips, of what was filled in thirty days, by symbol.
    """

    async def main() -> None:
        target = target_of(t.read_config(config), chdb)
        answer = await ask(target, QUESTIONS.get(question, question))
        if as_json:
            t.print_json(shown(answer))
        else:
            say(question if question in QUESTIONS else "Answer", shown(answer))

    t.run(main, as_json=as_json)


def target_of(config: Config, chdb: Path | None) -> Target:
    """What is asked.

    Raises:
        SecretError: the password is not there.
        InputError: nothing is named, or there is no such folder.
    """
    section = config.clickhouse
    if chdb is not None:
        target = replace(section, url=f"chdb://{chdb.resolve()}").target(secrets_of(config))
    elif section.url is None:
        raise t.InputError(
            "clickhouse.url: the configuration names no server; see --config, or name a folder of the engine's with "
            "--chdb"
        )
    else:
        target = section.target(secrets_of(config))
    if target.path is not None and not Path(target.path).is_dir():
        raise t.InputError(f"{target.path}: there is no such folder of ClickHouse's engine")
    return target


def shown(answer: Answer) -> dict[str, Any]:
    """An answer as a document: exact numbers and times as text, floating ones as numbers, none for what is none."""
    columns = [{"name": name, "type": kind} for name, kind in zip(answer.columns, answer.types, strict=True)]
    return {"columns": columns, "rows": [[_value(one) for one in row] for row in answer.rows]}


def _value(value: Any) -> Any:
    match value:
        case float():
            return value if isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat().replace("+00:00", "Z")
        case Decimal():
            return format(value, "f")
        case Mapping():
            return {str(name): _value(one) for name, one in value.items()}
        case bytes():
            return value.hex()
        case Sequence():
            return [_value(one) for one in value]
        case _:
            return str(value)


def say(title: str, document: Mapping[str, Any]) -> None:
    """The same for people."""
    names = [column["name"] for column in document["columns"]]
    numbers = [
        column["name"]
        for column in document["columns"]
        if column["type"].removeprefix("Nullable(").startswith(_NUMBERS)
    ]
    t.print_table(title, names, [[_cell(one) for one in row] for row in document["rows"]], numbers)


def _cell(value: Any) -> Any:
    return t.short(value) if isinstance(value, str) and _is_number(value) else value


def _is_number(value: str) -> bool:
    return value.removeprefix("-").replace(".", "", 1).isdigit() and value.isascii()
