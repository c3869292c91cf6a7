"""The process that holds the terminal's package: one call at a time, over frames of length and JSON.

Run as a program by its path, with nothing of its folder on the path: `worker.py MODULE LOCK`. The package never
releases the interpreter and may block for ever, so this process is ended from outside. One whose parent died in a call
is ended by the next worker: whoever holds the lock file is the one that its content names.

Whatever the package prints goes to standard error: standard output carries frames alone.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Final

LENGTH: Final = struct.Struct(">I")
MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a frame, here and between agent and client."""
MOST_IN_ANSWER: Final = MOST_BYTES - 4_096
_ENDS_S: Final = 10
_LOCKED_BYTE: Final = 1 << 30
"""Windows lets nobody read what is locked: not where the process id stands."""

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


def be_the_only_one(path: Path) -> None:
    """Holds that file to the end of this process, and ends the process that held it. Raises TimeoutError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    end = time.monotonic() + _ENDS_S
    while not _lock(descriptor):
        if time.monotonic() > end:
            raise TimeoutError(f"an earlier worker holds {path} and does not end")
        os.lseek(descriptor, 0, os.SEEK_SET)
        holder = os.read(descriptor, 32)
        if holder.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                os.kill(int(holder), getattr(signal, "SIGKILL", signal.SIGTERM))
        time.sleep(0.02)
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, str(os.getpid()).encode())


def plain(value: Any) -> Any:
    """Structs as dicts, tuples as lists, numpy's numbers as Python's; what is none of these stays as it is."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if hasattr(value, "_asdict"):
        return {name: plain(one) for name, one in value._asdict().items()}
    if isinstance(value, (tuple, list)):
        return [plain(one) for one in value]
    return value.item() if hasattr(value, "item") else value


def answer(module: Any, asked: dict[str, Any]) -> bytes:
    """What became of a call: value and error, or what it raised."""
    name, number = asked["name"], asked["n"]
    try:
        value = plain(getattr(module, name)(*asked["args"], **asked["kwargs"]))
        code, text = module.last_error()
        body = json.dumps({"n": number, "value": value, "code": int(code), "text": str(text)}).encode()
    except Exception as error:
        return json.dumps({"n": number, "raised": f"{name}: {type(error).__name__}: {error}"}).encode()
    if len(body) <= MOST_IN_ANSWER:
        return body
    text = f"{name}: its answer has {len(body)} bytes, more than {MOST_IN_ANSWER}: ask for less"
    return json.dumps({"n": number, "raised": text}).encode()


def _say(out: BinaryIO, body: bytes) -> None:
    out.write(LENGTH.pack(len(body)) + body)
    out.flush()


def serve(frames: BinaryIO, out: BinaryIO, module: Any) -> None:
    """Until nobody asks any more."""
    while len(head := frames.read(LENGTH.size)) == LENGTH.size:
        (length,) = LENGTH.unpack(head)
        if len(body := frames.read(length)) < length:
            return
        _say(out, answer(module, json.loads(body)))


def main() -> None:
    """Says `ready` once the package is there, or why it is not."""
    name, lock = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is meant for the parent, which lets a call end
    frames, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    try:
        be_the_only_one(Path(lock))
        module = importlib.import_module(name)
    except Exception as error:
        _say(out, json.dumps({"ready": False, "raised": f"{type(error).__name__}: {error}"}).encode())
        return
    _say(out, b'{"ready": true}')
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        serve(frames, out, module)


if __name__ == "__main__":
    main()
