"""The configuration in a file: what stands there, what cannot be, and news of it; and what is kept of other sources."""

import asyncio
import os
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.adapters.config import file as module
from ordergate.adapters.config.file import FileSource, concerns
from ordergate.adapters.config.kept import keep, kept
from ordergate.adapters.config.text import LARGEST, tables_in
from ordergate.application.ports.configuration import Snapshot, SourceError

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)


def test_toml_and_json_say_the_same_to_the_last_digit() -> None:
    toml = tables_in(b"[rates]\n'USDT/USD' = 0.9990000000000000001\n", "here")
    assert toml == tables_in(b' {"rates": {"USDT/USD": 0.9990000000000000001}}', "here")
    assert toml["rates"]["USDT/USD"] == Decimal("0.9990000000000000001")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"[funds", "neither TOML nor a JSON object"),
        (b"\x00\xff\xfe\x7fELF", "neither TOML nor a JSON object"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": ', "neither TOML nor a JSON object"),
        (b"{" * 100_000, "neither TOML nor a JSON object"),
        (b"a = " + b"9" * 10_000, "neither TOML nor a JSON object"),
        (b"#" * (LARGEST + 1), f"more than {LARGEST} bytes"),
        (b"<html>404</html>", "neither TOML nor a JSON object"),
    ],
)
def test_what_is_no_configuration_is_an_error_that_says_where(data: bytes, said: str) -> None:
    with pytest.raises(SourceError, match="here ") as raised:
        tables_in(data, "here")
    assert said in str(raised.value)


def test_a_file_that_grows_while_it_is_read_says_nothing_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fstat = tmp_path / "o.toml", os.fstat
    path.write_text("# half of it\n")

    def grows(file: int) -> os.stat_result:
        found = fstat(file)
        with path.open("a") as more:
            more.write("# more of it\n")
        return found

    monkeypatch.setattr(module.os, "fstat", grows)
    with pytest.raises(SourceError, match="is being written"):
        asyncio.run(FileSource(path).fetch())
    monkeypatch.undo()
    assert asyncio.run(FileSource(path).fetch()).values == {}


def test_a_file_says_when_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "o.toml"
    path.write_text("[server]\nport = 9000\n")
    os.utime(path, ns=(0, 1_772_463_600_123_456_789))
    found = asyncio.run(FileSource(path).fetch())
    assert found == Snapshot(revision="2026-03-02T15:00:00.123456+00:00", values={"server": {"port": 9000}})


@pytest.mark.parametrize("what", ["gone", "a folder"])
def test_a_file_that_cannot_be_read_names_itself(what: str, tmp_path: Path) -> None:
    path = tmp_path / "o.toml"
    if what == "a folder":
        path.mkdir()
    with pytest.raises(SourceError, match=f"{path} cannot be read"):
        asyncio.run(FileSource(path).fetch())


@pytest.mark.parametrize("way", ["written", "renamed", "linked"])
def test_news_come_however_the_file_is_changed(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an editor does, as a careful program does, and as Kubernetes does; another file in the folder is no news."""
    monkeypatch.setattr(module, "_STEP_MS", 10)
    path = tmp_path / "o.toml"
    path.write_text("a = 1")
    if way == "linked":
        (tmp_path / "..1").mkdir()
        (tmp_path / "..1" / "o.toml").write_text("a = 1")
        (tmp_path / "..data").symlink_to("..1")
        path.unlink()
        path.symlink_to("..data/o.toml")

    def change(number: int) -> None:
        other = tmp_path / f"..{number + 2}"
        if way == "written":
            path.write_text(f"a = {number}")
        elif way == "renamed":
            (tmp_path / "o.toml.new").write_text(f"a = {number}")
            (tmp_path / "o.toml.new").replace(path)
        else:
            other.mkdir()
            (other / "o.toml").write_text(f"a = {number}")
            (tmp_path / "..data.new").symlink_to(other)
            (tmp_path / "..data.new").replace(tmp_path / "..data")

    async def main() -> None:
        news = asyncio.Event()
        source = FileSource(path)
        watching = asyncio.ensure_future(source.watch(news.set))
        try:
            for number in range(2, 100):  # the first may come before the folder is watched
                change(number)
                try:
                    async with asyncio.timeout(0.3):
                        await news.wait()
                    break
                except TimeoutError:
                    continue
            assert news.is_set()
            assert (await source.fetch()).values["a"] == number
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(main())


def test_other_files_of_the_folder_are_no_news() -> None:
    path = Path("/etc/oms/o.toml")
    assert [
        name
        for name in ("o.toml", "..data", "o.toml.part", "o.db", "o.db-wal")
        if concerns(f"/etc/oms/{name}", path)
    ] == ["o.toml", "..data"]


def test_a_folder_that_is_gone_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be watched"):
        asyncio.run(FileSource(tmp_path / "none" / "o.toml").watch(lambda: None))


def test_what_was_kept_is_there_again_with_its_age_for_its_owner_alone(tmp_path: Path) -> None:
    place = tmp_path / "orders.db"
    assert kept(place, "kv") is None
    keep(place, "kv", Snapshot(revision="7", values={"rates": {"USDT/USD": Decimal("0.999")}}), NOW)
    found = kept(place, "kv")
    assert found is not None
    assert (found.revision, found.kept_at) == ("7", NOW)
    assert found.snapshot.values == {"rates": {"USDT/USD": "0.999"}}
    path = tmp_path / "orders.db.config-kv"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{half")
    assert kept(place, "kv") is None
