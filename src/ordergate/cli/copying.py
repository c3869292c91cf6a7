"""`ordergate copy`: from one database to another."""

from typing import Annotated

import typer

from ordergate.adapters.journals.location import locate
from ordergate.bootstrap.copying import Copied
from ordergate.bootstrap.copying import copy as carry_over
from ordergate.cli import terminal as t
from ordergate.cli.places import place


def copy(
    source: Annotated[str, typer.Option("--from", metavar="URL", help="The database; nobody may have it.")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="An empty or a new one.")],
    shard: Annotated[
        str | None, typer.Option("--shard", metavar="NAME", help="Which one it is, where there are shards.")
    ] = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Carry a journal over to another database, and prove that everything has arrived.

    With it go the paper venues of the configuration, and the audit key where ordergate has made it. A copy that was
    cut off is no journal: run it again, and it goes on.
    """

    async def main() -> None:
        settings = place(None, t.read_config(config), shard).config
        found = await carry_over(settings, source, target, t.progress)
        _say(found, source, target, as_json=as_json)

    t.run(main, as_json=as_json)


def _say(found: Copied, source: str, target: str, *, as_json: bool) -> None:
    if as_json:
        t.print_json(
            {
                "from": locate(source).shown,
                "to": locate(target).shown,
                "size": found.size,
                "resumed": found.resumed,
                "root": found.root,
                "venues": list(found.venues),
                "audit_key": found.key,
            }
        )
        return
    t.out.print(f"{found.size} entries, root {found.root} of both", soft_wrap=True)
    if found.venues:
        t.out.print(f"with the record of paper venue {', '.join(found.venues)}")
    t.out.print(f"{locate(target).shown} goes on under the audit key {found.key}", soft_wrap=True)
    if found.generated and locate(target).kind == "server":
        t.say(
            "nodes on other machines need the same key: ORDERGATE_AUDIT_KEY or audit.key_file", style="yellow"
        )
    t.out.print("serve it from now on; whoever goes on with the old one has two histories under one name")
