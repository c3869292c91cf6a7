"""The key that signs the journal: from the environment, a file, or made beside the database.

Kept as the base64 of an Ed25519 seed (32 bytes). It is never shown, logged or part of an error.
"""

import base64
import os
import tempfile
from pathlib import Path
from typing import Final

from msgspec import Struct

from ordergate.adapters.files import sync_folder
from ordergate.domain.errors import OrdergateError
from ordergate.protocols.tlog import Signer

VARIABLE: Final = "ORDERGATE_AUDIT_KEY"
_SEED_BYTES: Final = 32


class AuditKeyError(OrdergateError):
    """A signing key that cannot be used; the text never holds the key."""


class AuditKey(Struct, frozen=True):
    """A signer and where it came from; `generated` is one that ordergate made itself."""

    signer: Signer
    source: str
    generated: bool


def beside(database: Path | None) -> Path | None:
    """Where the key of a database is kept that has no other."""
    return None if database is None else database.with_name(database.name + ".audit-key")


def find_key(origin: str, key_file: Path | None, database: Path | None) -> AuditKey | None:
    """The configured key, or the one beside the database; None where there is none yet.

    Raises:
        AuditKeyError: one is named, and cannot be used.
    """
    text = os.environ.get(VARIABLE)
    if text is not None:
        return AuditKey(Signer(origin, _seed(text, VARIABLE)), VARIABLE, generated=False)
    if key_file is not None:
        return AuditKey(Signer(origin, _read(key_file)), str(key_file), generated=False)
    made = beside(database)
    if made is None or not os.path.lexists(made):
        return None
    return AuditKey(Signer(origin, _read(made)), str(made), generated=True)


def read_key(origin: str, text: str, source: str) -> AuditKey:
    """The key from its text.

    Raises:
        AuditKeyError: it is none.
    """
    return AuditKey(Signer(origin, _seed(text, source)), source, generated=False)


def find_or_make_key(origin: str, key_file: Path | None, database: Path | None) -> AuditKey:
    """As `find_key`; makes one where there is none (in memory only, for a database in memory).

    Raises:
        AuditKeyError: one is named and cannot be used, or none can be made.
    """
    found = find_key(origin, key_file, database)
    if found is not None:
        return found
    seed = os.urandom(_SEED_BYTES)
    made = beside(database)
    if made is None:
        return AuditKey(Signer(origin, seed), "memory", generated=True)
    try:
        _make(made, base64.b64encode(seed) + b"\n")
    except OSError as error:
        raise AuditKeyError(f"the audit key {made} cannot be made: {error.strerror or error}") from error
    # What is there now counts: another process may have been first.
    return AuditKey(Signer(origin, _read(made)), str(made), generated=True)


def carry_key(key: AuditKey, database: Path) -> AuditKey:
    """Puts a key that was made beside one database beside another too, for its owner only.

    Raises:
        AuditKeyError: there is another key there, or it cannot be written.
    """
    source, made = Path(key.source), database.with_name(database.name + ".audit-key")
    try:
        if not os.path.lexists(made):
            _make(made, source.read_bytes())
    except OSError as error:
        raise AuditKeyError(f"the audit key {made} cannot be made: {error.strerror or error}") from error
    if _read(made) != _read(source):
        raise AuditKeyError(
            f"{made} is another key than {source}, and the copy must go on under that one: move {made} away"
        )
    return AuditKey(key.signer, str(made), generated=True)


def _make(path: Path, content: bytes) -> None:
    """Puts a whole file, for its owner only, where none is: after a crash there is all of it or nothing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(prefix=".audit-key-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _name(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
    sync_folder(path.parent)


def _name(part: str, path: Path) -> None:
    """Gives a file its name, unless there is one of that name."""
    try:
        os.link(part, path)
    except FileExistsError:
        return
    except OSError:  # some file systems know no second name; who makes a key holds the database's lock
        if not os.path.lexists(path):
            os.rename(part, path)


def _read(path: Path) -> bytes:
    try:
        return _seed(path.read_text("ascii"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise AuditKeyError(f"the audit key {path} cannot be read: {reason}") from None


def _seed(text: str, source: str) -> bytes:
    try:
        seed = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise AuditKeyError(f"{source} is no audit key: it must be the base64 of {_SEED_BYTES} bytes")
    return seed
