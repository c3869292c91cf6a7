"""Trees of files: whole, or recognisably not."""

import asyncio
import os

import pytest

from ordergate.adapters.files import FilesError, write_tree

FILES = [("tile/0/000", b"a" * 10), ("tile/0/001.p/7", b""), ("tile/entries/000", b"b"), ("checkpoint", b"c")]


async def given(files, cut_at=None):
    for number, pair in enumerate(files):
        if number == cut_at:
            raise ConnectionError("the power went off")
        yield pair


def found(directory):
    return sorted(
        (str(p.relative_to(directory)), p.read_bytes()) for p in directory.rglob("*") if p.is_file()
    )


@pytest.mark.parametrize("there", [True, False])
def test_every_file_is_written(tmp_path, there):
    directory = tmp_path / "deep" / "log"
    if there:
        directory.mkdir(parents=True)
    assert asyncio.run(write_tree(directory, given(FILES))) == 4
    assert found(directory) == sorted(FILES)


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    (tmp_path / "theirs").write_text("x")
    with pytest.raises(FilesError, match="is not empty: name a new folder"):
        asyncio.run(write_tree(tmp_path, given(FILES)))
    assert found(tmp_path) == [("theirs", b"x")]


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    path = tmp_path / "log"
    path.write_text("x")
    with pytest.raises(FilesError, match="cannot be written: "):
        asyncio.run(write_tree(path, given(FILES)))
    assert path.read_text() == "x"


@pytest.mark.parametrize("cut_at", range(4))
def test_what_is_cut_off_has_no_last_file(tmp_path, cut_at):
    with pytest.raises(ConnectionError):
        asyncio.run(write_tree(tmp_path / "log", given(FILES, cut_at)))
    assert found(tmp_path / "log") == sorted(FILES[:cut_at])
    if cut_at:
        with pytest.raises(FilesError, match="is not empty"):
            asyncio.run(write_tree(tmp_path / "log", given(FILES)))


def test_the_last_file_never_stands_there_half_written(tmp_path, monkeypatch):
    def fails(_descriptor):
        raise OSError(28, "No space left on device", None)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(FilesError, match="cannot be written: No space left on device"):
            asyncio.run(write_tree(tmp_path / "log", given(FILES[-1:])))
    assert [name for name, _content in found(tmp_path / "log")] == ["checkpoint.part"]
