"""Quotes from CSV files, plain or gzip, one line at a time.

    time,symbol,bid,ask,bid_size,ask_size
    2014-05-08T00:00:17.007Z,EURUSD,1.39147,1.39148,,

An empty size is unlimited. Fields are written without quotes, so a line is always a row. Quotes that cross
(bid above ask) are read as they are: a feed of several makers has them, and what to do about it is for those
who trade on it. Nothing is guessed, skipped or repaired: the first wrong row ends the reading.
"""

import gzip
import heapq
import io
import os
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache, partial
from operator import attrgetter
from pathlib import Path
from typing import Final

from ordergate.domain.errors import Code, Invalid, OrdergateError
from ordergate.domain.identifiers import parse_key
from ordergate.domain.market import Quote
from ordergate.domain.money import parse_decimal, parse_positive, text

HEADER: Final = "time,symbol,bid,ask,bid_size,ask_size"
_COLUMNS: Final = HEADER.count(",") + 1
_LONGEST_LINE: Final = 1_000
_GZIP_MAGIC: Final = b"\x1f\x8b"
# Stricter than fromisoformat, which also takes weeks and commas, and drops digits beyond the microsecond.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)
_EXAMPLE: Final = "2014-05-08T00:00:17.007Z"
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)


class QuotesError(OrdergateError):
    """A file of quotes cannot be read; the text names the file, the line and what would be right."""


def read_quotes(path: Path) -> Iterator[Quote]:
    """The quotes of a file in its order, which must be that of time (equal times are fine).

    The file is opened with the first quote that is asked for.

    Raises:
        QuotesError: the file cannot be read, has no rows, or a row is wrong; those before it have been yielded.
    """
    with closing(text_lines(path, QuotesError, _LONGEST_LINE)) as lines:
        _check_header(path, next(lines, None))
        last = _BEGINNING
        for number, line in enumerate(lines, 2):
            try:
                quote = _quote(line, last)
            except Invalid as error:
                raise QuotesError(f"{path}, line {number}: {error}") from error
            last = quote.time
            yield quote
    if last is _BEGINNING:
        raise QuotesError(
            f"{path}: has a header and no quotes: add rows, such as {_EXAMPLE},EURUSD,1.1,1.2,,"
        )


def merge_quotes(paths: Iterable[Path]) -> Iterator[Quote]:
    """The quotes of several files by time; at equal times in the order of the files.

    Raises:
        QuotesError: as `read_quotes`; all files are opened with the first quote that is asked for.
    """
    return heapq.merge(*map(read_quotes, paths), key=attrgetter("time"))


def text_lines(path: Path, error: type[OrdergateError], longest: int) -> Generator[str, None, None]:
    """The lines of a UTF-8 file, plain or gzip (told by its first bytes), without their ends.

    Args:
        error: what is raised, with a text that names the file and the line.
        longest: bytes in a line; so no file, however wrong, is taken into memory whole.
    """
    number = 0
    try:
        with path.open("rb") as raw, _unpacked(raw) as stream:
            for line in iter(partial(stream.readline, longest + 1), b""):
                number += 1
                yield _decoded(line, longest)
    except Invalid as wrong:
        raise error(f"{path}, line {number}: {wrong}") from wrong
    except (OSError, EOFError, zlib.error, ValueError) as wrong:
        # ValueError is what a path with a NUL byte gives; a line's own were told above.
        place = f"{path}, after line {number}" if number else f"{path}"
        raise error(f"{place}: {_why_unreadable(path, wrong)}") from wrong


def _unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    if raw.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC):
        # GzipFile's own readline is Python; the reader around it makes lines five times as fast.
        return io.BufferedReader(gzip.GzipFile(fileobj=raw, mode="rb"))
    return raw


def _decoded(line: bytes, longest: int) -> str:
    if len(line) > longest:
        raise Invalid(Code.BAD_VALUE, f"is longer than {longest} bytes: this is not such a file")
    if b"\0" in line:
        raise Invalid(Code.BAD_VALUE, "holds a NUL byte: this is not a text file in UTF-8")
    try:
        return line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError as error:
        detail = (
            f"byte 0x{line[error.start]:02x} at {error.start + 1} is not UTF-8: save the file as UTF-8 text"
        )
        raise Invalid(Code.BAD_VALUE, detail) from None


def _why_unreadable(path: Path, error: Exception) -> str:
    match error:
        case EOFError():
            return "the gzip data end too early: the file was cut short, copy it again"
        case gzip.BadGzipFile() | zlib.error():
            return f"the gzip data are damaged ({error}): copy the file again"
        case FileNotFoundError():
            return "no such file"
        case OSError() if os.path.isdir(path):  # which never raises
            return "is a directory: name a file in it"
        case OSError():
            return f"cannot be read: {error.strerror or error}"
    return f"is not the name of a file: {error}"


def _check_header(path: Path, line: str | None) -> None:
    if line is None:
        raise QuotesError(f"{path}: is empty; line 1 must be {HEADER}")
    if line != HEADER:
        raise QuotesError(f"{path}, line 1: the header is {line!r}, it must be {HEADER}")


def _quote(line: str, last: datetime) -> Quote:
    fields = line.split(",")
    if len(fields) != _COLUMNS:
        raise Invalid(Code.BAD_VALUE, f"has {len(fields)} columns, there must be {_COLUMNS}: {HEADER}")
    time, symbol, bid, ask, bid_size, ask_size = fields
    return Quote(
        _symbol(symbol),
        _time(time, last),
        _price(bid, "#/bid"),
        _price(ask, "#/ask"),
        _size(bid_size, "#/bid_size") if bid_size else None,
        _size(ask_size, "#/ask_size") if ask_size else None,
    )


def _time(written: str, last: datetime) -> datetime:
    if not _TIME.fullmatch(written):
        raise _no_time(written)
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        raise _no_time(written) from None
    if at < last:
        detail = f"{written} is earlier than the row before ({last.isoformat()}): sort the rows by time"
        raise Invalid(Code.BAD_VALUE, detail, "#/time")
    return at


def _no_time(written: str) -> Invalid:
    return Invalid(Code.BAD_VALUE, f"{written!r} is not a time in UTC such as {_EXAMPLE}", "#/time")


# A day has a hundred thousand rows, but only some thousand different prices and sizes: each text is validated
# once and then known. What is refused is never kept.
@lru_cache(maxsize=16_384)
def _price(written: str, pointer: str) -> Decimal:
    return parse_positive(written, pointer)


@lru_cache(maxsize=16_384)
def _size(written: str, pointer: str) -> Decimal:
    size = parse_decimal(written, pointer)
    if size < 0:
        raise Invalid(Code.BAD_NUMBER, f"{text(size)} is below zero; leave it empty for unlimited", pointer)
    return size


@lru_cache(maxsize=1_024)
def _symbol(written: str) -> str:
    if written != written.strip() or '"' in written:
        detail = f"{written!r} is not a symbol without quotes and spaces around it, such as EURUSD"
        raise Invalid(Code.BAD_VALUE, detail, "#/symbol")
    return parse_key(written, "#/symbol")
