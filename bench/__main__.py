"""`python -m bench [NAME...] [--quick] [--json FILE] [--write]`."""

from pathlib import Path
from tempfile import gettempdir
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from bench import commits, engine, growth, lifecycles, memory, nats, page, postgres, rest, risk
from bench.plan import full, quick
from bench.printing import show

BENCHES: Final = {
    module.NAME: module.measure
    for module in (commits, lifecycles, postgres, engine, risk, rest, nats, growth, memory)
}


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(BENCHES)}; none is all.")] = None,
    in_little: Annotated[bool, typer.Option("--quick", help="The same in little.")] = False,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures there.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Write docs/reference/performance.md.")] = False,
    folder: Annotated[Path | None, typer.Option(help="For databases: on the disk to measure.")] = None,
) -> None:
    """Measure ordergate beside what it cannot do without."""
    console, where = Console(), folder or Path(gettempdir())
    unknown = [name for name in names or () if name not in BENCHES]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is no bench; there are {', '.join(BENCHES)}")
    if write and (names or in_little):
        raise typer.BadParameter("the page is of a whole run: leave out names and --quick")
    results = []
    for name in names or BENCHES:
        with console.status(name) as status:
            plan = (quick if in_little else full)(where, status.update)
            results.append(BENCHES[name](plan))
        show(console, results[-1])
    if json is not None:
        json.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
    if write:
        page.PAGE.write_text(page.page(results, plan))


if __name__ == "__main__":
    typer.run(main)
