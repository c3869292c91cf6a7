"""The comparison of an archive with its journal, against every way in which the two can differ."""

import asyncio

import pytest

from ordergate.application.archive_check import Compared, Comparison, Lying
from ordergate.application.archiving import Archivist, without, written
from tests.journals.older import busy

LOG = "test.example/journal"
SIZE = 300


class Archive:
    """What a topic would have of a busy day: three partitions, by order."""

    def __init__(self, journal, records) -> None:
        self.journal, self.records = journal, records
        self.lying = [Lying(self.partition(index), index, written(one)) for index, one in enumerate(records)]

    @staticmethod
    def partition(index: int) -> int:
        return index % 3

    @staticmethod
    async def made() -> "Archive":
        journal = await busy(SIZE)
        lines = await journal.lines(0, SIZE)
        return Archive(journal, [one.record for one in await Archivist(journal, LOG).archive(0, lines)])

    async def compare(self, due: int = SIZE, others=()) -> Compared:
        comparison = Comparison({LOG: self.journal}, {LOG: due}, others)
        for start in range(0, len(self.lying), 70):
            await comparison.take(self.lying[start : start + 70])
        return await comparison.end()


def _run(plant, **options) -> Compared:
    async def run() -> Compared:
        archive = await Archive.made()
        plant(archive)
        return await archive.compare(**options)

    return asyncio.run(run())


def _changed(value: bytes, old: bytes, new: bytes) -> bytes:
    assert old in value
    return value.replace(old, new, 1)


def test_one_that_agrees_is_clean() -> None:
    found = _run(lambda archive: None)
    assert (found.wrong, found.records, found.repeated) == (0, SIZE, 0)
    assert found.logs[LOG].archived == found.logs[LOG].due == SIZE <= found.logs[LOG].size


def test_what_came_again_counts_once() -> None:
    def plant(archive: Archive) -> None:
        archive.lying[200:200] = archive.lying[50:200]

    found = _run(plant)
    assert (found.wrong, found.repeated) == (0, 150)


def test_what_is_missing_is_named_in_rows() -> None:
    def plant(archive: Archive) -> None:
        del archive.lying[100:103], archive.lying[40]

    found = _run(plant)
    assert found.wrong == found.missing.count == 4
    assert [(one.index, one.last) for one in found.missing.first] == [(40, None), (100, 102)]


def test_what_the_cursor_has_not_passed_waits() -> None:
    def plant(archive: Archive) -> None:
        del archive.lying[250:]

    found = _run(plant, due=250)
    assert found.wrong == 0
    assert found.logs[LOG].waiting == found.logs[LOG].size - 250


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"state":"', b'"state":"X'),
        (b'"leaf_hash":"', b'"leaf_hash":"f'),
        (b'"entry":{"index":', b'"entry":{"index":1'),
        (b'"kind":"', b'"kind":"X'),
        (b'"id":"', b'"id":"X'),
        (b'"v":1', b'"v":2'),
        (b"}", b" }"),
    ],
)
def test_one_changed_byte_is_found_wherever_it_is(old: bytes, new: bytes) -> None:
    changed = []

    def plant(archive: Archive) -> None:
        index = next(i for i, one in enumerate(archive.records) if i > 150 and one.order is not None)
        lying = archive.lying[index]
        archive.lying[index] = Lying(lying.partition, lying.offset, _changed(lying.value, old, new))
        changed.append(index)

    found = _run(plant)
    assert found.wrong == found.different.count == 1
    (one,) = found.different.first
    assert (one.index, one.partition, one.offset) == (changed[0], changed[0] % 3, changed[0])


def test_a_copy_that_differs_from_the_first_is_found() -> None:
    def plant(archive: Archive) -> None:
        lying = archive.lying[120]
        archive.lying.append(Lying(lying.partition, 999, _changed(lying.value, b'"actor":"', b'"actor":"X')))

    found = _run(plant)
    assert found.wrong == found.different.count == 1
    assert found.different.first[0].offset == 999


def test_what_had_no_room_for_the_order_agrees_also_beside_one_that_had() -> None:
    def plant(archive: Archive) -> None:
        for index in range(100, 110):
            bare = written(without(archive.records[index], ("payload", "order")))
            lying = Lying(archive.partition(index), index, bare)
            if index % 2:
                archive.lying[index] = lying
            else:
                archive.lying.append(lying)

    found = _run(plant)
    assert (found.wrong, found.repeated) == (0, 5)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "is empty"),
        (b"", "is no record"),
        (b"\xff\xfe", "is no record"),
        (b"[]", "is no record"),
        (b'{"log":"test.example/journal"}', "is no record"),
        (b'{"log":"elsewhere","index":3}', "is of the log 'elsewhere'"),
        (b'{"log":"test.example/journal","index":99999999999}', "is entry 99999999999 of"),
        (b'{"log":"test.example/journal","index":-1}', "is entry -1 of"),
    ],
)
def test_what_is_not_of_the_journal_is_foreign(value: bytes | None, why: str) -> None:
    found = _run(lambda archive: archive.lying.insert(10, Lying(2, 7, value)))
    assert found.wrong == found.foreign.count == 1
    assert why in found.foreign.first[0].why
    assert (found.foreign.first[0].partition, found.foreign.first[0].offset) == (2, 7)


def test_logs_that_are_known_are_left_alone() -> None:
    value = b'{"log":"elsewhere","index":3}'
    found = _run(lambda archive: archive.lying.append(Lying(2, 7, value)), others={"elsewhere"})
    assert (found.wrong, found.ignored) == (0, 1)


def test_two_in_the_wrong_order_are_found() -> None:
    def plant(archive: Archive) -> None:
        archive.lying[60], archive.lying[63] = archive.lying[63], archive.lying[60]

    found = _run(plant)
    assert found.wrong == found.out_of_order.count == 1
    assert found.out_of_order.first[0].index == 60


def test_the_findings_that_are_shown_are_few() -> None:
    def plant(archive: Archive) -> None:
        archive.lying += [Lying(0, 1_000 + number, b"x") for number in range(100)]

    found = _run(plant)
    assert found.foreign.count == 100
    assert len(found.foreign.first) == 20
