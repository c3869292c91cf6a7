"""What the pages print of the configuration loads as it is printed, and they leave no kind of break out."""

import re
from pathlib import Path

import pytest

from ordergate.config import load
from ordergate.domain.breaks import BreakKind

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
PAGES = ("route.md", "reconcile.md", "workers.md", "signals.md", "config-hub.md", "split.md", "venues.md")
BLOCKS = [
    (page, number, block)
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"```toml\n(.*?)```", (HOWTO / page).read_text("utf-8"), re.DOTALL)
    )
]


@pytest.mark.parametrize(("page", "number", "block"), BLOCKS, ids=[f"{page}-{n}" for page, n, _ in BLOCKS])
def test_it_loads(page: str, number: int, block: str, tmp_path: Path) -> None:
    file = tmp_path / "ordergate.toml"
    file.write_text(block, "utf-8")
    load(file)


def test_each_page_has_some() -> None:
    assert {page for page, _number, _block in BLOCKS} == set(PAGES)


def test_every_kind_of_break_is_explained() -> None:
    page = (HOWTO / "reconcile.md").read_text("utf-8")
    rows = " ".join(line for line in page.splitlines() if line.startswith("| `"))
    assert [kind for kind in BreakKind if f"`{kind}`" not in rows] == []
