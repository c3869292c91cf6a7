"""What the commands say: one document for programs on standard output, everything else on standard error."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NoReturn, TextIO, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ordergate.config import Config, load
from ordergate.config.secret_places import has_passwords
from ordergate.domain.errors import (
    Conflict,
    Invalid,
    NotFound,
    OrdergateError,
    OutcomeUnknown,
    Refused,
    StoreError,
)
from ordergate.domain.exact_json import parse_json
from ordergate.domain.money import plain, text

T = TypeVar("T")
DB_VARIABLE: Final = "ORDERGATE_DB"

Db = Annotated[
    str | None,
    typer.Option(
        "--db",
        metavar="URL",
        help="sqlite:///PATH or postgresql://USER@HOST/NAME.",
        envvar=DB_VARIABLE,
    ),
]
ConfigFile = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Configuration, TOML.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]

As = Annotated[
    str | None,
    typer.Option("--as", metavar="PRINCIPAL", help="Who asks; left out, the name that you are logged in as."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal.")]

_PIPE_WIDTH: Final = 200


def mute(stream: TextIO) -> None:
    """Sends to nowhere what a stream still holds and is yet to get."""
    with suppress(OSError, ValueError):  # a stream in memory has no descriptor, and needs none
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Console(Console):
    """Where nobody reads on, the command still goes on to its end and its exit code: an order may be out."""

    def on_broken_pipe(self) -> None:
        mute(self.file)  # type: ignore[arg-type, unused-ignore]


errors: Final = _Console(stderr=True, highlight=False)
out: Final = _Console(highlight=False, width=None if sys.stdout and sys.stdout.isatty() else _PIPE_WIDTH)


class InputError(OrdergateError):
    """What was given to a command cannot be used."""


class OutputError(OrdergateError):
    """What a command says, or a file that it needs, cannot be written."""


class RiskRefused(OrdergateError):
    """The risk gate refused a change of an order, which is as it was.

    Attributes:
        code: such as RISK_ORDER_NOTIONAL.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_FOUND = 3
    AUTHENTICATION = 4
    CONFLICT = 5
    RISK_REJECTED = 6
    UNKNOWN_OUTCOME = 7


_CODES: Final[Sequence[tuple[type[Exception], Exit]]] = (
    (NotFound, Exit.NOT_FOUND),
    (Conflict, Exit.CONFLICT),
    (OutcomeUnknown, Exit.UNKNOWN_OUTCOME),
    (RiskRefused, Exit.RISK_REJECTED),
)


def run(main: Callable[[], Coroutine[Any, Any, T]], *, as_json: bool) -> T:
    """Runs a command to its end; what ordergate refuses becomes one message and an exit code."""
    with failing(as_json=as_json):
        return asyncio.run(main())


@contextmanager
def failing(*, as_json: bool) -> Iterator[None]:
    """Turns errors into a message and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except OrdergateError as error:
        fail(error, as_json=as_json)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        mute(sys.stdout)
        raise typer.Exit(Exit.OK) from None
    except UnicodeEncodeError as error:
        fail(_unwritable(error), as_json=as_json)
    except OSError as error:
        fail(_output_error(error), as_json=as_json)


def _unwritable(error: UnicodeEncodeError) -> InputError:
    character = ascii(error.object[error.start])
    return InputError(f"the character {character} cannot be written as {error.encoding}: leave it out")


def _output_error(error: OSError) -> OutputError:
    if error.filename is None:  # writing gives no name, and only standard output is written by commands
        mute(sys.stdout)
    where = error.filename or "standard output"
    return OutputError(f"{where} cannot be used: {error.strerror or error}")


def fail(error: OrdergateError, *, as_json: bool) -> NoReturn:
    """Says what was wrong and ends."""
    if as_json:
        problem: dict[str, Any] = {"error": type(error).__name__, "detail": str(error)}
        if isinstance(error, Refused):
            problem |= {"code": error.code, "pointer": error.pointer, "outcome": error.outcome}
        elif isinstance(error, RiskRefused):
            problem |= {"code": error.code, "pointer": None, "outcome": "not_sent"}
        with suppress(OutputError):
            print_json(problem)
    say(f"error: {error}", style="red")
    raise typer.Exit(next((code for kind, code in _CODES if isinstance(error, kind)), Exit.ERROR))


def say(message: str, style: str | None = None) -> None:
    """A message for people, on standard error."""
    errors.print(message, style=style, markup=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """The one document.

    Raises:
        OutputError: standard output cannot be written. That nobody reads it is no error.
    """
    try:
        _write_json(document)
        sys.stdout.flush()
    except BrokenPipeError:
        mute(sys.stdout)
    except OSError as error:
        raise _output_error(error) from error


def _write_json(document: Any) -> None:
    try:
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    except UnicodeEncodeError:  # the terminal's encoding lacks a character: escapes say the same
        sys.stdout.write(json.dumps(document, indent=2) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[str] = ()
) -> None:
    """A table on standard output, without columns that say nothing; only its title where it is empty."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if not cells:
        out.print(f"{title}: none")
        return
    said = [place for place, column in enumerate(zip(*cells, strict=True)) if any(column)]
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None)
    for place in said:
        justify: Literal["left", "right"] = "right" if columns[place] in right else "left"
        table.add_column(columns[place], justify=justify, overflow="fold")
    for row in cells:
        table.add_row(*(Text(row[place]) for place in said))
    out.print(table)
    out.print()


def short(value: str | None) -> str:
    """A number as people read it: at most six places."""
    if value is None or "." not in value:
        return value or ""
    return text(plain(round(Decimal(value), 6)))


def second(time: str) -> str:
    """A time as people read it."""
    return time[:19].replace("T", " ")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def read_config(path: Path | None) -> Config:
    """The configuration, or an error that names the file; databases get the passwords that it names."""
    found = load(path)
    if has_passwords(found):
        from ordergate.bootstrap.secrets import (  # only here: it takes a while to load
            secrets_of,
            use_passwords,
        )

        use_passwords(found, cache(lambda: secrets_of(found)))
    return found


def url_of(db: str | None, config: Config) -> str:
    """The database: as given, else as the environment says, else as configured.

    Raises:
        StoreError: an empty one was given.
    """
    if db == "":
        raise StoreError(
            "--db is empty: write sqlite:///PATH or postgresql://USER@HOST/NAME, or leave it out"
        )
    return config.database.url if db is None else db


def body_from(source: str) -> tuple[Any, str]:
    """A JSON body from a file, or from standard input for `-`; and its text.

    Raises:
        InputError: it cannot be read, or is not JSON.
    """
    try:
        raw = _standard_input() if source == "-" else _text_of(Path(source))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{source} cannot be read: {reason}") from error
    try:
        size = len(raw.encode())
    except UnicodeEncodeError as error:
        raise InputError(f"{source} cannot be read: it is not UTF-8") from error
    if size > _LONGEST:  # what doors take, so that an order is read the same everywhere
        raise InputError(f"{source} is longer than {_LONGEST} bytes: it is no order")
    if not raw.strip():
        raise InputError(f"{source} is empty: it must hold a JSON object")
    try:
        return parse_json(raw), raw
    except Invalid as error:
        raise InputError(f"{source}: {error}") from error


def _standard_input() -> str:
    if sys.stdin is None:
        raise InputError("standard input is closed: give the order on it, or name a file")
    return sys.stdin.read(_LONGEST + 1)


def _text_of(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(_LONGEST + 1)


_LONGEST: Final = 65_536
