"""Carrying everything over from one database to another: journal, paper venues, and the key they go on under."""

from collections.abc import Callable
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from typing import Final

from msgspec import Struct

from ordergate.adapters.brokers.paper.copying import new_record, record_of
from ordergate.adapters.brokers.paper.whole_record import Record, same
from ordergate.adapters.journals.location import locate, place_beside
from ordergate.adapters.journals.stores import open_journal, open_journal_or_part, open_leases, version_at
from ordergate.adapters.secrets.audit_key import AuditKey, AuditKeyError, carry_key
from ordergate.application.audit.reading import Progress
from ordergate.application.copying import Copy
from ordergate.application.ports.journal import UNFINISHED, Head, Journal
from ordergate.bootstrap.audit_key import find_audit_key
from ordergate.bootstrap.beside import beside
from ordergate.config import Config, PaperBroker
from ordergate.domain.errors import StoreBusy, StoreError

Stage = Callable[[str], AbstractContextManager[Progress]]
"""Begins a stage of that name, and is told how far it is."""

_NODE_S: Final = 6


class Copied(Struct, frozen=True, kw_only=True):
    """What was carried over, and proven to be the same.

    Attributes:
        size: entries, of which `resumed` were there from an earlier copy that was cut off.
        root: of both trees, in base64.
        venues: the paper venues whose records went along.
        key: where the audit key is under which the copy goes on; `generated` as `AuditKey` has it.
    """

    size: int
    resumed: int
    root: str
    venues: tuple[str, ...]
    key: str
    generated: bool


async def copy(config: Config, source: str, target: str, stage: Stage) -> Copied:
    """Copies a journal that nobody writes into an empty database; run again, it goes on where it was cut off.

    Raises:
        StoreBusy: somebody has the source or the target open, or has written the source meanwhile.
        StoreError: the source has no journal, the target has one, or one of them cannot be used.
        AuditError: something is not as it was signed, or has not arrived as it was.
        AuditKeyError: the key that signs is not here, or another is where the copy's must be.
    """
    async with AsyncExitStack() as stack:
        journal, head, copying = await _opened(stack, source, target)
        key = _key(config, source, target)
        venues = await _venues(stack, config, source, target, copying)
        reader = await stack.enter_async_context(journal.snapshot())
        work = Copy(reader, await reader.head(), copying)
        resumed = await work.begin()
        with stage("Copying entries") as progress:
            await work.entries(progress)
        with stage("Copying tables") as progress:
            await work.rows(progress)
        await _copy_venues(venues, stage)
        with stage("Comparing") as progress:
            await work.compare(progress)
        with stage("Verifying") as progress:
            found = await work.verify(key.signer.verifier, progress)
        if await journal.head() != head:
            raise StoreBusy(f"{locate(source).shown} was written meanwhile: end whoever does, and copy again")
        await work.finish()
        return Copied(
            size=found.size,
            resumed=resumed,
            root=found.root,
            venues=tuple(venues),
            key=key.source,
            generated=key.generated,
        )


async def _opened(stack: AsyncExitStack, source: str, target: str) -> tuple[Journal, Head, Journal]:
    for url in (source, target):
        if locate(url).kind == "memory":
            raise StoreError("a database in memory ends with its process: name a file or a server")
    if locate(source) == locate(target):
        raise StoreError(f"both are {locate(source).shown}: name two databases")
    if await version_at(source) is None:
        raise StoreError(f"there is no journal in {locate(source).shown}")
    journal = await open_journal(source)
    stack.push_async_callback(journal.close)
    await _check_idle(source)
    head = await journal.head()
    copying = await open_journal_or_part(target)
    stack.push_async_callback(copying.close)
    await _check_idle(target)
    there = await copying.head()
    if there not in (Head(), Head(there.size, UNFINISHED)):
        shown = locate(target).shown
        raise StoreError(f"{shown} holds a journal of {there.size} entries already: name an empty database")
    return journal, head, copying


async def _check_idle(url: str) -> None:
    leases = open_leases(url)
    try:
        nodes = sorted({held.node for held in await leases.all() if held.node is not None})
    finally:
        await leases.close()
    if nodes:
        raise StoreBusy(
            f"{locate(url).shown} is in use by {', '.join(nodes)}: end every node first (one that was killed counts"
            f" for {_NODE_S} seconds more)"
        )


def _key(config: Config, source: str, target: str) -> AuditKey:
    """The key that signs, where the target looks for it."""
    key = find_audit_key(config, place_beside(source))
    if key is None:
        raise AuditKeyError(
            "the key that signs this journal is not here, and the copy must go on under it: name it with"
            " ORDERGATE_AUDIT_KEY, audit.key_file or audit.key_secret"
        )
    place = place_beside(target)
    return carry_key(key, place) if key.generated and place is not None else key


async def _venues(
    stack: AsyncExitStack, config: Config, source: str, target: str, copying: Journal
) -> dict[str, tuple[Record, Record]]:
    """The records to carry over, each with where it goes."""
    found = {}
    fresh = (await copying.head()).checkpoint != UNFINISHED
    for name in (name for name, broker in config.brokers.items() if isinstance(broker, PaperBroker)):
        here = await stack.enter_async_context(record_of(name, _place(source, name)))
        if here is None:
            continue
        there = await stack.enter_async_context(new_record(name, _place(target, name)))
        if there is None or (fresh and not await there.empty()):
            raise StoreError(
                f"paper venue {name!r} has a record at the target already: remove it, or name another"
            )
        found[name] = here, there
    return found


def _place(url: str, name: str) -> Path | str:
    file = beside(locate(url).path, name)
    return url if file is None else file


async def _copy_venues(venues: dict[str, tuple[Record, Record]], stage: Stage) -> None:
    for name, (here, there) in venues.items():
        with stage(f"Copying {name}"):
            await there.replace(here)
            if not await same(here, there):
                raise StoreError(f"the record of paper venue {name!r} is not the same in the copy")
