"""`ordergate audit`: verify, replay, export, proof, show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ordergate.adapters.files import FilesError, write_tree
from ordergate.adapters.journals.location import place_beside
from ordergate.adapters.journals.stores import open_journal
from ordergate.application.audit.break_story import PREFIX, break_story
from ordergate.application.audit.export import exported
from ordergate.application.audit.moves import check_moves
from ordergate.application.audit.proofs import proofs
from ordergate.application.audit.replay import replay as fold_again
from ordergate.application.audit.story import show_transition, story
from ordergate.application.audit.verify import Verified
from ordergate.application.audit.verify import verify as verify_journal
from ordergate.application.ports.journal import JournalReader
from ordergate.bootstrap import MEMORY
from ordergate.bootstrap.audit_key import find_audit_key
from ordergate.cli import terminal as t
from ordergate.cli.desk import open_desk
from ordergate.cli.places import Place, ShardName, opened, place, places
from ordergate.domain.errors import AuditError
from ordergate.domain.risk.commands import ThrowSwitch
from ordergate.domain.risk.kill_switch import Trigger
from ordergate.domain.risk.limits import Level
from ordergate.protocols.tlog import TlogError, Verifier

app: Final = typer.Typer(help="Prove what stands in the journal.", no_args_is_help=True)
_STORY: Final = ("index", "time", "actor", "principal", "event", "from", "to", "detail")
_SHOWN: Final = 20


class _Log:
    """A journal open for reading, and the key that its checkpoints are signed with, if there is one here."""

    def __init__(self, reader: JournalReader, at: Place) -> None:
        self.reader = reader
        key = find_audit_key(at.config, place_beside(at.url))
        self.verifier = key.signer.verifier if key is not None else None


@asynccontextmanager
async def _log(at: Place) -> AsyncIterator[_Log]:
    async with opened(at) as reader:
        yield _Log(reader, at)


async def _of_order(order_id: str, found: list[Place]) -> Place:
    """The journal that tells of an order; any, where none does."""
    for at in found[1:]:
        async with opened(at) as reader:
            if await reader.indices(order_id):
                return at
    return found[0]


@app.command()
def verify(
    old: Annotated[
        Path | None,
        typer.Option("--old", metavar="FILE", help="A checkpoint kept elsewhere that must be contained."),
    ] = None,
    vkey: Annotated[
        Path | None,
        typer.Option("--vkey", metavar="FILE", help="The verifier key; else that of the key here."),
    ] = None,
    halt: Annotated[
        bool, typer.Option("--halt", help="Where something is wrong, halt the firm: who trades here stops.")
    ] = False,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Check every entry, the tree, and the signature; name the first bad index."""

    async def main() -> None:
        settings = t.read_config(config)
        kept = old is not None or vkey is not None  # what was kept elsewhere is of one log
        found = [place(db, settings, shard)] if kept else places(db, settings, shard)
        try:
            told = {at.shard: await _verify(at, old, vkey) for at in found}
        except AuditError as error:
            if halt:
                await _stop_trading(db, config, shard, str(error))
            raise
        compared = await _compare_moves(found) if len(found) > 1 else 0
        if as_json:
            shown = {name: _shown(one) for name, one in told.items()}
            several = {"shards": shown, "parts_moved": compared}
            t.print_json(several if len(found) > 1 else next(iter(shown.values())))
            return
        for at in found:
            _say(at, told[at.shard])
        if compared:
            t.out.print(f"{compared} parts of funds that moved: each came as it had left")

    t.run(main, as_json=as_json)


async def _stop_trading(db: str | None, config: Path | None, shard: str | None, wrong: str) -> None:
    command = ThrowSwitch(level=Level.FIRM, name="", reason=f"audit: {wrong}", trigger=Trigger.AUDIT)
    async with open_desk(db, config, shard, f"trigger/{Trigger.AUDIT}") as desk:
        while (await desk.risk.throw(command))["left"]:
            pass
    t.say("the firm is halted", style="red")


async def _compare_moves(found: list[Place]) -> int:
    async with AsyncExitStack() as stack:
        readers = {at.config.audit.origin: await stack.enter_async_context(opened(at)) for at in found}
        return await check_moves(readers)


async def _verify(at: Place, old: Path | None, vkey: Path | None) -> Verified:
    async with _log(at) as log:
        verifier = _verifier(vkey) if vkey is not None else log.verifier
        note = _text(old) if old is not None else None
        with t.progress("Verifying") as advance:
            return await verify_journal(log.reader, verifier, old_checkpoint=note, progress=advance)


def _shown(found: Verified) -> dict[str, Any]:
    return {"size": found.size, "root": found.root, "signature_checked": found.signed}


def _say(at: Place, found: Verified) -> None:
    t.out.print(f"{at.title}{found.size} entries, root {found.root}")
    signed = "every entry, the tree and the signature hold"
    t.out.print(f"{at.title}{signed if found.signed else 'every entry and the tree hold'}")
    if not found.signed and found.size:
        t.say(
            f"{at.title}the signature was not checked: there is no key here; name one with --vkey",
            style="yellow",
        )


@app.command()
def replay(
    compare: Annotated[bool, typer.Option("--compare", help="Compare every table byte for byte.")] = False,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Fold the journal into an empty store; with --compare, hold it against the tables."""

    async def main() -> None:
        async with _log(place(db, t.read_config(config), shard)) as log:
            store = await open_journal(MEMORY)
            try:
                with t.progress("Replaying") as advance:
                    differences = await fold_again(log.reader, store, advance)
                size = (await log.reader.head()).size
            finally:
                await store.close()
        shown = [
            {"table": d.table, "row": d.number, "stored": _read(d.ours), "replayed": _read(d.replayed)}
            for d in (differences if compare else [])
        ]
        if as_json:
            t.print_json({"size": size, "equal": not shown if compare else None, "differences": shown})
        elif shown:
            rows = [tuple(row.values()) for row in shown[:_SHOWN]]
            t.print_table("Differences", ("table", "row", "stored", "replayed"), rows)
        else:
            equal = ": every table is equal, byte for byte" if compare else ""
            t.out.print(f"{size} entries folded{equal}")
        if shown:  # found, not failed: the one document has been printed
            t.say(f"error: {len(shown)} rows of the tables are not what the journal implies", style="red")
            raise typer.Exit(t.Exit.ERROR)

    t.run(main, as_json=as_json)


def _read(row: bytes | None) -> str | None:
    return None if row is None else row.decode(errors="replace")


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    vkey: Annotated[
        Path | None, typer.Option("--vkey", metavar="FILE", help="Where to write the verifier key.")
    ] = None,
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Write the log as static files that any tlog-tiles reader takes."""

    async def main() -> None:
        async with _log(place(db, t.read_config(config), shard)) as log:
            key = _key_of(log) if vkey is not None else None
            with t.progress("Exporting") as advance:
                files = await write_tree(directory, exported(log.reader, advance))
            if vkey is not None and key is not None:
                await asyncio.to_thread(_write_text, vkey, key.vkey + "\n")
            size = (await log.reader.head()).size
        if as_json:
            t.print_json({"directory": str(directory), "size": size, "files": files})
        else:
            t.out.print(f"{size} entries in {files} files below {directory}", soft_wrap=True)

    t.run(main, as_json=as_json)


@app.command()
def proof(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new or empty folder.")],
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Write a receipt for every entry of an order: the entry, and a .tlog-proof that verifies offline."""

    async def main() -> None:
        at = await _of_order(order_id, places(db, t.read_config(config), shard))
        async with _log(at) as log:
            found = await proofs(log.reader, order_id)
            key = log.verifier

        async def files() -> AsyncIterator[tuple[str, bytes]]:
            for index, entry, receipt in found:
                yield f"{index}.json", entry
                yield f"{index}.tlog-proof", receipt
            if key is not None:
                yield "vkey", f"{key.vkey}\n".encode()

        await write_tree(out, files())
        if as_json:
            t.print_json({"order_id": order_id, "directory": str(out), "entries": [f[0] for f in found]})
        else:
            t.out.print(f"{len(found)} entries of {order_id} with their proofs in {out}", soft_wrap=True)

    t.run(main, as_json=as_json)


@app.command()
def show(
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID", help="Or a break, such as brk-812.")],
    shard: ShardName = None,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Tell the story of an order, or of a break: who, what, from, to, when."""

    async def main() -> None:
        found = places(db, t.read_config(config), shard)
        at = await _of_order(order_id, found)
        async with _log(at) as log:
            of_break = order_id.startswith(PREFIX) and not await log.reader.indices(order_id)
            told = await (break_story if of_break else story)(log.reader, order_id)
        rows = [show_transition(row) for row in told]
        if as_json:
            t.print_json(rows)
        else:
            t.print_table(
                f"{'Break' if of_break else 'Order'} {order_id}",
                _STORY,
                [[row[name] for name in _STORY] for row in rows],
            )

    t.run(main, as_json=as_json)


def _key_of(log: _Log) -> Verifier:
    if log.verifier is None:
        raise AuditError("there is no audit key here: its verifier key cannot be written")
    return log.verifier


def _verifier(path: Path) -> Verifier:
    try:
        return Verifier.parse(_text(path).strip())
    except TlogError as error:
        raise AuditError(f"{path} holds no verifier key: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise FilesError(f"{path} cannot be read: {reason}") from error


def _write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise FilesError(f"{path} cannot be written: {error.strerror or error}") from error
