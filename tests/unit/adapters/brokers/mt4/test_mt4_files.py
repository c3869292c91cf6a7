"""Files of the bridge: whole or not at all, and never half believed."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordergate.adapters.brokers.mt4 import files, tailing
from ordergate.adapters.brokers.mt4.files import Disk, NotBegun, NotWritten, Overdue, PerhapsWritten
from ordergate.adapters.brokers.mt4.plans import Plan, Step, keep, kept
from ordergate.adapters.brokers.mt4.tailing import Place, read_on
from ordergate.adapters.brokers.mt4.wire import Unreadable, line_of, values_in
from ordergate.testing.metatrader4.lines import dress, undress


def line(n: int) -> bytes:
    return line_of({"v": 1, "kind": "opened", "n": n})


VALUES = st.dictionaries(
    st.text("abcdefgh", min_size=1),
    st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans()),
    min_size=1,
)


@given(VALUES)
def test_what_is_written_is_read(values: dict[str, Any]) -> None:
    whole = line_of(values)
    assert values_in(whole) == values
    assert whole.isascii()
    assert whole.count(b"\n") == 1


@given(st.dictionaries(st.text("abc", min_size=1), st.one_of(st.text(), st.integers(0, 9)), min_size=1))
def test_the_expert_writes_and_reads_the_same(values: dict[str, Any]) -> None:
    assert undress(line_of(values)) is not None
    assert values_in(dress(values)).keys() >= values.keys()


@given(st.integers(0, 200))
def test_half_a_line_is_not_read(length: int) -> None:
    whole = line_of({"v": 1, "kind": "result", "id": "a" * 26, "state": "done", "text": "x" * 90})
    with pytest.raises(Unreadable):
        values_in(whole[: min(length, len(whole) - 1)])


@given(st.integers(0, 60), st.integers(1, 255))
def test_a_line_with_another_byte_is_not_read(place: int, other: int) -> None:
    whole = bytearray(line_of({"v": 1, "kind": "result", "state": "rejected", "code": 134}))
    whole[place % len(whole)] ^= other
    with pytest.raises(Unreadable):
        values_in(bytes(whole))


def test_a_file_is_there_whole_and_nothing_else(tmp_path: Path) -> None:
    files.write_whole(tmp_path / "owner.json", line(1))
    files.write_whole(tmp_path / "owner.json", line(2))
    assert [path.name for path in tmp_path.iterdir()] == ["owner.json"]
    assert files.read_whole(tmp_path / "owner.json") == {"v": 1, "kind": "opened", "n": 2}
    assert files.read_whole(tmp_path / "none.json") is None


def test_what_cannot_be_written_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="none is"):
        files.write_whole(tmp_path / "no such folder" / "none is", line(1))


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_what_fails_before_it_has_its_name_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(files.os, name, fail)
    with pytest.raises(NotWritten, match="no space left"):
        files.write_whole(tmp_path / "cmd.json", line(1))
    assert not list(tmp_path.iterdir())


def test_a_rename_that_was_done_and_failed_may_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def lose(source: Any, target: Any) -> None:
        real(source, target)
        raise OSError(5, "the share did not answer")

    monkeypatch.setattr(files.os, "replace", lose)
    with pytest.raises(PerhapsWritten):
        files.write_whole(tmp_path / "cmd.json", line(1))


def test_a_folder_that_cannot_be_synced_takes_nothing_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError(22, "not here")

    monkeypatch.setattr(files, "_sync", fail)
    files.write_whole(tmp_path / "cmd.json", line(1))
    assert files.read_whole(tmp_path / "cmd.json") is not None


def test_a_file_that_is_replaced_meanwhile_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(line(1))
    contents = iter([line(1)[:9], line(1)])
    monkeypatch.setattr(Path, "read_bytes", lambda _self: next(contents))
    assert files.read_whole(path) == {"v": 1, "kind": "opened", "n": 1}


# --- events


class Reader:
    """Goes on where it stopped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place: Place | None = None
        self.more = False


def numbers(reader: Reader) -> list[int]:
    found, reader.place, reader.more = read_on(reader.folder, reader.place)
    return [said["n"] for said in found]


def test_lines_are_read_as_they_come(tmp_path: Path) -> None:
    tail, path = Reader(tmp_path), tmp_path / "events-20260105.jsonl"
    assert numbers(tail) == []
    path.write_bytes(line(1) + line(2)[:20])
    assert numbers(tail) == [1]
    path.write_bytes(line(1) + line(2) + line(3))
    assert numbers(tail) == [2, 3]
    assert numbers(tail) == []


def test_a_torn_line_is_skipped_and_the_one_after_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "events-20260105.jsonl").write_bytes(line(1) + line(2)[:30] + b"\n" + line(2))
    assert numbers(Reader(tmp_path)) == [1, 2]


def test_a_line_that_was_written_behind_half_of_one_is_read(tmp_path: Path) -> None:
    (tmp_path / "events-20260105.jsonl").write_bytes(line(1) + line(2)[:30] + line(3))
    assert numbers(Reader(tmp_path)) == [1, 3]


def test_the_next_day_s_file_is_gone_on_with(tmp_path: Path) -> None:
    tail = Reader(tmp_path)
    first, second = tmp_path / "events-20260105.jsonl", tmp_path / "events-20260106.jsonl"
    first.write_bytes(line(1))
    assert numbers(tail) == [1]
    first.write_bytes(line(1) + line(2))
    second.write_bytes(line(3))
    assert numbers(tail) == [2, 3]
    second.write_bytes(line(3) + line(4))
    assert numbers(tail) == [4]


def test_a_file_that_begins_anew_is_read_anew(tmp_path: Path) -> None:
    tail, path = Reader(tmp_path), tmp_path / "events-20260105.jsonl"
    path.write_bytes(line(1) + line(2) + line(3))
    assert numbers(tail) == [1, 2, 3]
    path.write_bytes(line(1))
    assert numbers(tail) == [1]


def test_a_file_that_cannot_be_read_now_loses_no_line_of_the_one_before(tmp_path: Path) -> None:
    tail, second = Reader(tmp_path), tmp_path / "events-20260106.jsonl"
    (tmp_path / "events-20260105.jsonl").write_bytes(line(1) + line(2))
    second.mkdir()  # opened it cannot be
    assert numbers(tail) == [1, 2]
    with pytest.raises(IsADirectoryError):
        numbers(tail)
    second.rmdir()
    second.write_bytes(line(3))
    assert numbers(tail) == [3]


def test_many_files_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "_MOST", 3 * len(line(1)) + 5)
    for day in range(4):
        (tmp_path / f"events-2026010{day}.jsonl").write_bytes(line(2 * day) + line(2 * day + 1))
    tail = Reader(tmp_path)
    parts = [numbers(tail)]
    while tail.more:
        parts.append(numbers(tail))
    assert [n for part in parts for n in part] == list(range(8))
    assert max(len(part) for part in parts) == 3


# --- plans


def test_plans_are_kept(tmp_path: Path) -> None:
    folder = tmp_path / "client"
    assert kept(folder) == {}
    from decimal import Decimal

    plan = Plan(
        client="out.1",
        attempt=3,
        steps=(Step(ticket=5, lots=Decimal("0.02")), Step(ticket=0, lots=Decimal(1))),
    )
    keep(folder, plan)
    old = folder / "plan-old.json"
    old.write_bytes(line(1))
    os.utime(old, (1, 1))
    assert kept(folder) == {"out.1": plan}
    assert not old.exists()
    (folder / "plan-half.json").write_bytes(line(1)[:30])
    with pytest.raises(Unreadable, match=r"plan-half\.json, which says how far an order was tried"):
        kept(folder)


# --- the thread


def test_a_job_that_never_began_never_will() -> None:
    async def main() -> None:
        disk, go_on, done = Disk("test"), threading.Event(), []
        first = asyncio.ensure_future(disk.do(lambda: go_on.wait(5), 0.05))
        await asyncio.sleep(0.01)
        with pytest.raises(NotBegun):
            await disk.do(lambda: done.append(1), 0.05)
        with pytest.raises(Overdue):
            await first
        go_on.set()
        assert await disk.do(lambda: "after", 1.0) == "after"
        assert not done
        disk.close()

    asyncio.run(main())


def test_what_a_job_raises_is_raised() -> None:
    async def main() -> None:
        disk = Disk("test")
        with pytest.raises(ZeroDivisionError):
            await disk.do(lambda: 1 // 0, 1.0)
        disk.close()

    asyncio.run(main())
