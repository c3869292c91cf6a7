"""Reading the archive back, and comparing it with the journals that it is of."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from ordergate.adapters.kafka import Reading, Target
from ordergate.adapters.outlets.kafka import cursor_of
from ordergate.application.archive_check import Compared, Comparison, Lying
from ordergate.application.audit.reading import Progress
from ordergate.application.ports.journal import JournalReader


class Verification(Struct, frozen=True):
    """What was found, and of which partitions the first records have been deleted (their first offsets)."""

    compared: Compared
    gone: Mapping[int, int]


async def verify_archive(
    target: Target,
    readers: Mapping[str, JournalReader],
    others: Iterable[str] = (),
    progress: Progress | None = None,
) -> Verification:
    """Reads a topic from its beginning to its present end; whoever writes journal and topic may go on.

    Args:
        readers: of the journals to compare with, by their logs.
        others: logs whose records may be there, too.
        progress: of the reading, then of the comparing.

    Raises:
        KafkaError: the topic cannot be read.
        StoreError, AuditError: a journal cannot be read.
    """
    due = {log: await reader.cursor(cursor_of(target.topic)) for log, reader in readers.items()}
    comparison, topic = Comparison(readers, due, others), Reading(target)
    done = 0
    try:
        await topic.begin()
        async for records in topic.records():
            await comparison.take([Lying(one.partition, one.offset, one.value) for one in records])
            done += len(records)
            if progress is not None:
                progress(done, max(done, topic.about))
    finally:
        await topic.close()
    return Verification(await comparison.end(progress), topic.gone)
