"""`ordergate archive`: what Kafka has of the journal."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
import typer

from ordergate.application.archive_check import Compared, Findings
from ordergate.bootstrap.archive import Verification, verify_archive
from ordergate.bootstrap.secrets import secrets_of
from ordergate.cli import terminal as t
from ordergate.cli.places import ShardName, opened, places
from ordergate.config import Config

app: Final = typer.Typer(help="The archive of executions in Kafka.", no_args_is_help=True)
_COLUMNS: Final = ("what", "log", "index", "last", "partition", "offset", "why")


@app.callback()
def _archive() -> None:
    """There is one command so far; it has a name."""


@app.command()
def verify(
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Read the archive from its beginning to its present end and compare it with the journal.

    Of several records with one id the first counts. What the archive's cursor has passed must be there; what waits is
    counted. The database may be served meanwhile.
    """

    async def main() -> None:
        settings = t.read_config(config)
        if not settings.kafka.servers:
            raise t.InputError(
                "kafka.servers: the configuration names none, so there is no archive; see --config"
            )
        found = places(db, settings, shard)
        target = settings.kafka.target(secrets_of(settings))
        async with AsyncExitStack() as stack:
            readers = {at.config.audit.origin: await stack.enter_async_context(opened(at)) for at in found}
            with t.progress("Verifying") as advance:
                verified = await verify_archive(target, readers, _logs(settings), advance)
        document = shown(target.topic, verified)
        if as_json:
            t.print_json(document)
        else:
            say(document, verified)
        wrong = verified.compared.wrong
        if wrong:  # found, not failed: the one document has been printed
            t.say(f"error: {wrong} records of the archive are not as the journal says", style="red")
            raise typer.Exit(t.Exit.ERROR)

    t.run(main, as_json=as_json)


def _logs(config: Config) -> set[str]:
    """Of all shards, whichever are asked about: they share the topic."""
    return {config.shard(name).audit.origin for name in config.shards} | {config.audit.origin}


def kinds(compared: Compared) -> Mapping[str, Findings]:
    """What can be wrong, by its name."""
    return {name: getattr(compared, name) for name in ("missing", "foreign", "different", "out_of_order")}


def shown(topic: str, verified: Verification) -> dict[str, Any]:
    """The document for programs."""
    compared = verified.compared
    return {
        "topic": topic,
        "agrees": not compared.wrong,
        "records": compared.records,
        "repeated": compared.repeated,
        "ignored": compared.ignored,
        "logs": {log: msgspec.to_builtins(one) for log, one in compared.logs.items()},
        "deleted_before": {str(number): first for number, first in verified.gone.items()},
        **{name: msgspec.to_builtins(found) for name, found in kinds(compared).items()},
    }


def say(document: Mapping[str, Any], verified: Verification) -> None:
    """The same for people."""
    compared = verified.compared
    ids = compared.records - compared.repeated - compared.ignored - compared.foreign.count
    t.out.print(f"Archive: {document['records']} records in {document['topic']}, {ids} ids")
    for log, one in document["logs"].items():
        waiting = f", {one['waiting']} wait" if one["waiting"] else ""
        t.out.print(f"{log}: {one['archived']} of {one['size']} entries are archived{waiting}")
    for number, first in verified.gone.items():
        t.say(
            f"partition {number} begins at offset {first}: what was before has been deleted", style="yellow"
        )
    rows = [
        (name.replace("_", " "), one.log, one.index, one.last, one.partition, one.offset, one.why)
        for name, found in kinds(compared).items()
        for one in found.first
    ]
    if rows:
        t.print_table("Not as the journal says", _COLUMNS, rows)
        return
    t.out.print("every record is what the journal says")
