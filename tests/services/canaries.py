"""Values that must be found nowhere, and the looking for them in every form that they could have been written in."""

import base64
import itertools
import json
import traceback
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus


class Canaries:
    """Makes them by name, and looks for all of them."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def made(self, name: str) -> str:
        """Another one: with what URLs, base64 and JSON write in other ways."""
        return self.added(name, f"k+{uuid.uuid4().hex}/é=")

    def plain(self, name: str) -> str:
        """Another one, of letters and digits alone."""
        return self.added(name, f"k{uuid.uuid4().hex}")

    def added(self, name: str, value: str) -> str:
        """One that somebody else has made."""
        assert name not in self.values
        self.values[name] = value
        return value

    def found_in(self, places: Mapping[str, bytes | str]) -> list[str]:
        """Which of them are where, and in which form."""
        held = {place: text.encode() if isinstance(text, str) else text for place, text in places.items()}
        return [
            f"{name} as {form} in {place}"
            for name, value in self.values.items()
            for form, written in forms(value)
            for place, content in held.items()
            if written in content
        ]


def forms(value: str) -> Iterator[tuple[str, bytes]]:
    """What it may look like."""
    raw = value.encode()
    yield "itself", raw
    yield "part of itself", raw[2:30]
    for offset in range(3):  # wherever in a longer text it begins
        yield "base64", base64.b64encode(bytes(offset) + raw)[4 if offset else 0 : -4]
        yield "base64url", base64.urlsafe_b64encode(bytes(offset) + raw)[4 if offset else 0 : -4]
    yield "hex", raw.hex().encode()
    yield "a URL's part", quote(value, safe="").encode()
    yield "a form's part", quote_plus(value).encode()
    yield "JSON", json.dumps(value)[1:-1].encode()
    yield "UTF-16", value.encode("utf-16-le")


def files_of(folder: Path, *but: Path) -> dict[str, bytes]:
    """All that lies in a folder, but for what lies in others."""
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(path == one or one in path.parents for one in but)
    }


def told(error: BaseException | None, *, variables: bool = False) -> str:
    """An error and all that led to it, perhaps with the values of every variable on the way."""
    if error is None:
        return ""
    whole = traceback.TracebackException.from_exception(error, capture_locals=variables)
    causes = itertools.takewhile(lambda one: one is not None, (error.__cause__, error.__context__))
    return "".join(whole.format()) + "".join(repr(one) + str(one) for one in causes)
