"""What a page says to write into one file can stand in one file."""

import re
from pathlib import Path

import pytest

from ordergate.config import load

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
BLOCKS = re.compile(r"```toml\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("page", ["nats-in.md"])
def test_the_settings_of_a_page_stand_in_one_file(page: str, tmp_path: Path) -> None:
    path = tmp_path / "ordergate.toml"
    path.write_text("\n".join(BLOCKS.findall((HOWTO / page).read_text())))
    assert load(path).signals.fund == "fx"
