"""What the command line imports before it does anything: little, and the garbage collector is on again."""

import gc
import subprocess
import sys

import pytest

from ordergate import __main__


def test_the_garbage_collector_is_on_when_a_command_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ordergate", "--version"])
    with pytest.raises(SystemExit):
        __main__.main()
    assert gc.isenabled()
    assert capsys.readouterr().out.strip()


LOOK = "import sys, ordergate.cli.app; print(*{name.partition('.')[0] for name in sys.modules})"


def test_no_command_waits_for_what_only_some_need() -> None:
    told = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)
    assert not {"sqlalchemy", "alembic", "fastapi", "pydantic", "holidays", "grpc", "nats"} & set(
        told.stdout.split()
    )
