"""Files of the bridge's folder, written so that nobody ever takes half of one for the whole, and read with care.

All of it is done in one thread of its own: a share can take long, or for ever. What has not begun by then provably
never did; what has begun may have been done.
"""

import asyncio
import fnmatch
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from ordergate.adapters.brokers.mt4.wire import Unreadable, values_in

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any]]
_LOOKS: Final = 3
"""At a file that cannot be read, within one look: it is being replaced."""


class NotWritten(Exception):
    """Provably nobody can ever see it."""


class PerhapsWritten(Exception):
    """It may be there under its name."""


def write_whole(path: Path, content: bytes) -> None:
    """Writes or replaces a file: beside it first, on disk, and then under its name.

    Raises:
        NotWritten, PerhapsWritten: it did not go well.
    """
    beside = path.with_name(f"tmp-{path.name}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise NotWritten(_why(path, error)) from error
    _rename(beside, path)
    with suppress(OSError):  # it has its name; that the name is on disk only a loss of power would show
        _sync(path.parent)


def _rename(beside: Path, path: Path) -> None:
    try:
        os.replace(beside, path)
    except OSError as error:
        try:  # a share can rename, and lose the answer: what is still there under the old name has not the new one
            beside.unlink()
        except OSError:
            raise PerhapsWritten(_why(path, error)) from error
        raise NotWritten(_why(path, error)) from error


def _sync(folder: Path) -> None:
    """Makes names durable, where the system lets a folder be opened (Windows does not)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why(path: Path, error: OSError) -> str:
    return f"{path.name} cannot be written: {error.strerror or error}"


def read_whole(path: Path) -> dict[str, Any] | None:
    """What a file says; None where there is none.

    Raises:
        Unreadable: it is being written, or cut.
    """
    for _look in range(_LOOKS - 1):
        with suppress(Unreadable):
            return _read(path)
    return _read(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:  # on Windows also while it is being replaced
        raise Unreadable(f"{path.name}: {error.strerror or error}") from error
    return values_in(content)


def listed(folder: Path, pattern: str) -> list[Path]:
    """Files of a folder whose names match, sorted; none where there is no folder.

    Raises:
        OSError: it cannot be read now. `Path.glob` takes some of these for a folder without files.
    """
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(fnmatch.filter(names, pattern))]


def remove(path: Path) -> None:
    """Takes a file away, if that can be done now."""
    with suppress(OSError):
        path.unlink()


class NotBegun(Exception):
    """The folder could not be used all that time, and what was to be done there never will be."""


class Overdue(Exception):
    """The folder takes too long: what was to be done there is under way."""


class Disk(Executor):
    """One thread, in which everything is done that concerns files, one thing after the other.

    It belongs to nobody's exit: a share that hangs does not keep the process.
    """

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=f"ordergate-{name}", daemon=True).start()

    async def do(self, job: Callable[[], T], timeout_s: float) -> T:
        """The result of a job.

        Raises:
            NotBegun: the thread was busy all that time.
            Overdue: it began, and has not ended. Raises as the job, too.
        """
        turn = _Turn()
        here = asyncio.get_running_loop().run_in_executor(self, partial(turn.take, job))
        here.add_done_callback(lambda done: None if done.cancelled() else done.exception())  # looked at below
        try:
            await asyncio.wait({here}, timeout=timeout_s)
        except asyncio.CancelledError:
            turn.leave()
            raise
        if here.done():
            return here.result()
        if turn.leave():
            raise NotBegun(f"the folder could not be used for {timeout_s:g} s")
        raise Overdue(f"the folder takes longer than {timeout_s:g} s")

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Puts a call in the line."""
        future: Future[T] = Future()
        self._jobs.put((future, partial(fn, *args, **kwargs)))
        return future

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, call = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = call()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

    def close(self) -> None:
        """Ends the thread, once what is under way has ended."""
        self._jobs.put(None)


class _Turn:
    """Of one job: either it has begun, or it was given up and never will."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = self._left = False

    def take(self, job: Callable[[], T]) -> T:
        """Does it, unless it was given up."""
        with self._lock:
            if self._left:
                raise NotBegun("nobody waits for it any more")
            self._begun = True
        return job()

    def leave(self) -> bool:
        """Gives it up; whether it had not begun."""
        with self._lock:
            self._left = not self._begun
            return self._left
