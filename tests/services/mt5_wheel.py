"""The real MetaTrader5 package, read without Windows: its source, and the tables and texts of its compiled half.

The wheel is taken from the registry by pip, once, into the user's cache, never into the repository.
"""

import ast
import os
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ordergate" / "metatrader5"
VERSION = "5.0.6231"
KINDS = {
    "PyLong_FromLong": int,
    "PyLong_FromUnsignedLong": int,
    "PyLong_FromLongLong": int,
    "PyLong_FromUnsignedLongLong": int,
    "PyFloat_FromDouble": float,
    "PyUnicode_FromWideChar": str,
}


class Away(Exception):
    """The registry does not give it."""


def wheel() -> Path:
    """From the cache, else from the registry. Raises Away."""
    there = sorted(CACHE.glob(f"metatrader5-{VERSION}-cp311-*.whl"))
    if there:
        return there[0]
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        asked = [
            sys.executable, "-m", "pip", "download", f"MetaTrader5=={VERSION}", "--platform", "win_amd64",
            "--python-version", "3.11", "--only-binary=:all:", "--no-deps", "--dest", folder,
            "--disable-pip-version-check", "--retries", "0", "--timeout", "20",
        ]  # fmt: skip
        done = subprocess.run(asked, capture_output=True, text=True, timeout=120)
        found = list(Path(folder).glob("*.whl"))
        if done.returncode or not found:
            raise Away(f"pip download MetaTrader5: {done.stderr.strip().splitlines()[-1:]}")
        return found[0].replace(CACHE / found[0].name.lower())


class Image:
    """A PE file as it would lie in memory at the address that it prefers."""

    def __init__(self, raw: bytes) -> None:
        (at,) = struct.unpack_from("<I", raw, 0x3C)
        assert raw[at : at + 4] == b"PE\0\0"
        sections, optional = (
            struct.unpack_from("<H", raw, at + 6)[0],
            struct.unpack_from("<H", raw, at + 20)[0],
        )
        (self.base,) = struct.unpack_from("<Q", raw, at + 24 + 24)
        (size,) = struct.unpack_from("<I", raw, at + 24 + 56)
        (imports,) = struct.unpack_from("<I", raw, at + 24 + 112 + 8)
        memory = bytearray(size)
        self.sections: dict[str, tuple[int, int]] = {}
        for one in range(sections):
            name, _, where, length, start = struct.unpack_from("<8sIIII", raw, at + 24 + optional + 40 * one)
            memory[where : where + length] = raw[start : start + length]
            self.sections[name.rstrip(b"\0").decode()] = (where, length)
        self.memory = bytes(memory)
        self.imports = self._imports(imports)

    def _imports(self, at: int) -> dict[int, str]:
        """Where a function's address will be, and its name."""
        found: dict[int, str] = {}
        while any(entry := struct.unpack_from("<IIIII", self.memory, at)):
            names, slots = entry[0] or entry[4], entry[4]
            while name := struct.unpack_from("<Q", self.memory, names)[0]:
                if not name >> 63:
                    found[slots] = self.string(self.base + name + 2) or ""
                names, slots = names + 8, slots + 8
            at += 20
        return found

    def string(self, address: int) -> str | None:
        """Of printable ASCII; None where there is none."""
        at = address - self.base
        if not 0 < at < len(self.memory):
            return None
        found = re.compile(rb"[\x20-\x7e]+(?=\0)").match(self.memory, at)
        return found[0].decode() if found else None

    def structs(self) -> dict[str, list[str]]:
        """Names and fields of every PyStructSequence_Desc: name, doc, fields, how many."""
        found: dict[str, list[str]] = {}
        for section in (".data", ".rdata"):
            where, length = self.sections[section]
            for at in range(where, where + length - 32, 8):
                name, doc, fields, count = struct.unpack_from("<QQQI", self.memory, at)
                named = self.string(name)
                if named and self.string(doc) and 1 < count < 200 and named.isidentifier():
                    told = [self._field(fields, one) for one in range(count)]
                    if all(told) and self._field(fields, count) is None:
                        found[named] = [str(one) for one in told]
        return found

    def _field(self, fields: int, place: int) -> str | None:
        at = fields - self.base + 16 * place
        if not 0 < at < len(self.memory) - 16:
            return None
        return self.string(struct.unpack_from("<Q", self.memory, at)[0])

    def methods(self) -> dict[str, int]:
        """Of every PyMethodDef: the flags, how it takes arguments (1 unnamed, 2 named, 4 none)."""
        where, length = self.sections[".data"]
        code, much = self.sections[".text"]
        found = {}
        for at in range(where, where + length - 32, 8):
            name, function, flags, _ = struct.unpack_from("<QQQQ", self.memory, at)
            if (
                code <= function - self.base < code + much
                and flags in (1, 3, 4)
                and (named := self.string(name))
            ):
                found[named] = flags
        return found

    def has(self, text: str) -> bool:
        """Whether the text, ended by a zero, is somewhere in it."""
        return text.encode() + b"\0" in self.memory

    def conversions(self) -> dict[int, list[type]]:
        """By the number of fields: the type that each is made as, from the calls between New and each SetItem."""
        where, length = self.sections[".text"]
        code = self.memory[where : where + length]
        made: dict[int, list[type]] = {}
        kinds: list[type] = []
        kind: type = bool
        for call in re.finditer(rb"\xff\x15(....)", code, re.DOTALL):
            target = where + call.end() + struct.unpack("<i", call[1])[0]
            name = self.imports.get(target, "")
            if name == "PyStructSequence_New":
                made.setdefault(len(kinds), kinds)
                kinds = []
            elif name == "PyStructSequence_SetItem":
                kinds.append(kind)
            kind = KINDS.get(name, bool)
        made.setdefault(len(kinds), kinds)
        return made


def source() -> str:
    """Of the package's `__init__.py`. Raises Away."""
    with zipfile.ZipFile(wheel()) as files:
        return files.read("MetaTrader5/__init__.py").decode()


def core() -> Image:
    """Its compiled half. Raises Away."""
    with zipfile.ZipFile(wheel()) as files:
        (name,) = [one for one in files.namelist() if one.endswith(".pyd")]
        return Image(files.read(name))


def constants(text: str) -> dict[str, int]:
    """Every `NAME = number` of a source, in order; a number may be a sum of bits."""
    found = {}
    for one in ast.parse(text).body:
        if (
            isinstance(one, ast.Assign)
            and isinstance(one.targets[0], ast.Name)
            and one.targets[0].id.isupper()
        ):
            found[one.targets[0].id] = _number(one.value)
    return found


def _number(said: ast.expr) -> int:
    if isinstance(said, ast.BinOp) and isinstance(said.op, ast.BitOr):
        return _number(said.left) | _number(said.right)
    return int(ast.literal_eval(said))
