"""The configuration of workers: a remedy says after how long."""

from pathlib import Path

import pytest

from ordergate.config import Config, ConfigError, load

OWN = '[funds.f]\nunlimited = true\n[signals]\nfund = "f"\n[funds.f.workers]\n'


def loaded(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    return load(path)


@pytest.mark.parametrize("remedy", ["reprice", "cancel"])
@pytest.mark.parametrize(("head", "named"), [("[workers]\n", " workers"), (OWN, " funds.f.workers")])
def test_a_remedy_without_a_time_does_nothing_and_is_refused(
    tmp_path: Path, head: str, named: str, remedy: str
) -> None:
    text = f'{head}retry_unfilled = "{remedy}"\n'
    with pytest.raises(ConfigError, match=rf'{named}\.unfilled_after_s: is missing.*"{remedy}" does nothing'):
        loaded(tmp_path, text)
    loaded(tmp_path, f"{text}unfilled_after_s = 30\n")


@pytest.mark.parametrize("head", ["[workers]\n", OWN])
def test_somebody_is_told_of_nothing_where_no_time_is_named(tmp_path: Path, head: str) -> None:
    loaded(tmp_path, f'{head}retry_unfilled = "alert"\n')
