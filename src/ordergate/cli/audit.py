"""`ordergate audit`: verify, replay, export, proof, show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ordergate.adapters.files import FilesError, write_tree
from ordergate.adapters.journals.database import open_journal, open_reader, path_of
from ordergate.adapters.journals.sqlite import SqliteReader
from ordergate.adapters.secrets.audit_key import find_key
from ordergate.application.audit.export import exported
from ordergate.application.audit.proofs import proofs
from ordergate.application.audit.replay import replay as fold_again
from ordergate.application.audit.story import story
from ordergate.application.audit.verify import verify as verify_journal
from ordergate.bootstrap import MEMORY
from ordergate.cli import terminal as t
from ordergate.config import Config
from ordergate.domain.errors import AuditError
from ordergate.domain.times import format_time
from ordergate.protocols.tlog import TlogError, Verifier

app: Final = typer.Typer(help="Prove what stands in the journal.", no_args_is_help=True)
_STORY: Final = ("index", "time", "actor", "principal", "event", "from", "to", "detail")
_SHOWN: Final = 20


class _Log:
    """A journal open for reading, and the key that its checkpoints are signed with, if there is one here."""

    def __init__(self, reader: SqliteReader, config: Config, url: str) -> None:
        self.reader = reader
        key_file = Path(config.audit.key_file) if config.audit.key_file else None
        key = find_key(config.audit.origin, key_file, path_of(url))
        self.verifier = key.signer.verifier if key is not None else None


@asynccontextmanager
async def _log(db: str | None, config: Path | None) -> AsyncIterator[_Log]:
    settings = t.read_config(config)
    url = t.url_of(db, settings)
    reader = open_reader(url)
    try:
        yield _Log(reader, settings, url)
    finally:
        await reader.close()


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
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Check every entry, the tree, and the signature; name the first bad index."""

    async def main() -> None:
        async with _log(db, config) as log:
            verifier = _verifier(vkey) if vkey is not None else log.verifier
            note = _text(old) if old is not None else None
            with t.progress("Verifying") as advance:
                found = await verify_journal(log.reader, verifier, old_checkpoint=note, progress=advance)
        if as_json:
            t.print_json({"size": found.size, "root": found.root, "signature_checked": found.signed})
            return
        t.out.print(f"{found.size} entries, root {found.root}")
        t.out.print(
            "every entry, the tree and the signature hold"
            if found.signed
            else "every entry and the tree hold"
        )
        if not found.signed and found.size:
            t.say("the signature was not checked: there is no key here; name one with --vkey", style="yellow")

    t.run(main, as_json=as_json)


@app.command()
def replay(
    compare: Annotated[bool, typer.Option("--compare", help="Compare every table byte for byte.")] = False,
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Fold the journal into an empty store; with --compare, hold it against the tables."""

    async def main() -> None:
        async with _log(db, config) as log:
            store = open_journal(MEMORY)
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
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Write the log as static files that any tlog-tiles reader takes."""

    async def main() -> None:
        async with _log(db, config) as log:
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
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Write a receipt for every entry of an order: the entry, and a .tlog-proof that verifies offline."""

    async def main() -> None:
        async with _log(db, config) as log:
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
    order_id: Annotated[str, typer.Argument(metavar="ORDER_ID")],
    db: t.Db = None,
    config: t.ConfigFile = None,
    as_json: t.Json = False,
) -> None:
    """Tell an order's story: who, what, from, to, when."""

    async def main() -> None:
        async with _log(db, config) as log:
            told = await story(log.reader, order_id)
        rows: list[dict[str, Any]] = [
            {
                "index": row.index,
                "time": format_time(row.time),
                "actor": row.actor,
                "principal": row.principal,
                "source": row.source,
                "event": row.kind,
                "from": row.from_state,
                "to": row.to_state,
                "detail": row.detail,
            }
            for row in told
        ]
        if as_json:
            t.print_json(rows)
        else:
            t.print_table(f"Order {order_id}", _STORY, [[row[name] for name in _STORY] for row in rows])

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
