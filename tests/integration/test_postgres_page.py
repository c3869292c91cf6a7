"""The commands of docs/howto/postgres.md, in their order, against a real server and two real services."""

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.services.postgres import USER
from tests.services.server import ROOT, finish

PAGE = (ROOT / "docs" / "howto" / "postgres.md").read_text()
BLOCKS = re.findall(r"```(shell|console)\n(.*?)```", PAGE, re.DOTALL)
ORDER = {
    "idempotency_key": "works",
    "fund_id": "paper-momentum",
    "symbol": "AAPL",
    "side": "buy",
    "quantity": "100",
    "order_type": "limit",
    "limit_price": "150",
    "tif": "gtc",
}


class Reader:
    """Somebody who does what the page says, on a server and ports of his own."""

    def __init__(self, server, folder):
        self._folder, self._host, self.urls = folder, server.folder, {}
        self.environment = {
            **os.environ,
            "PATH": f"{server.bin}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT / "src"),
            "XDG_STATE_HOME": str(folder / "state"),
            "PGHOST": str(server.folder),
            "PGUSER": USER,
        }

    def _here(self, text):
        text = re.sub(
            r"postgresql://(\w+@)?localhost/(\w+)", rf"'postgresql://\1/\2?host={self._host}'", text
        )
        for named, url in self.urls.items():
            text = text.replace(f"http://127.0.0.1:{named}", url)
        return re.sub(r"^ordergate", f"{sys.executable} -m ordergate", text, flags=re.MULTILINE)

    def does(self, block):
        script = "set -eu\n" + self._here(block)
        done = subprocess.run(
            ["bash", "-c", script],
            env=self.environment, cwd=self._folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        assert '"status":4' not in done.stdout, done.stdout
        return done.stdout + done.stderr

    @contextmanager
    def serves(self, line):
        """A service as the page starts it, at a free port."""
        port = re.search(r"--port (\d+)", line)[1]
        command = self._here(line.replace(f"--port {port}", "--port 0"))
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            env=self.environment, cwd=self._folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            said = process.stdout.readline()
            assert said.startswith("ordergate serves http://"), (said, process.stderr.read())
            self.urls[port] = said.split()[2]
            yield
            process.terminate()
            assert process.wait(60) == 0
        finally:
            finish(process)


@pytest.fixture
def reader(postgres, tmp_path):
    try:
        yield Reader(postgres, tmp_path)
    finally:
        for name in ("orders", "restored"):
            postgres.sql(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        postgres.sql("DROP ROLE IF EXISTS ordergate")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the page's examples use curl")
def test_the_commands_of_the_page(reader, postgres, tmp_path):
    (tmp_path / "order.json").write_text(json.dumps(ORDER))
    reader.does("ordergate orders submit order.json --db sqlite:///orders.db")
    make, grant, copy, own, start, use, backup = (text for _kind, text in BLOCKS)
    reader.does(make)
    reader.does(grant)
    assert "holds a journal" not in reader.does(copy)
    reader.does(own)
    (key,) = (tmp_path / "state" / "ordergate").iterdir()
    one, two = start.strip().splitlines()
    with reader.serves(one), reader.serves(two):
        said = reader.does(use)
        for expected in ('"order_id":"ord-1"', '"quantity":"10"', "broker:paper (epoch", "served by"):
            assert expected in said, expected
        assert said.count("alive") == 2
    for attack in (
        "UPDATE journal SET kind = 'x'",
        "DELETE FROM journal",
        "TRUNCATE journal",
        "DROP TRIGGER journal_append_only ON journal",
        "UPDATE nodes SET hash = ''",
        "DELETE FROM head",
        "DELETE FROM orders",
        "UPDATE alembic_version SET version_num = ''",
    ):
        done = subprocess.run(
            [postgres.bin / "psql", "-X", "-d", "orders", "-U", "ordergate", "-c", attack],
            env=reader.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "permission denied" in done.stderr or "must be owner" in done.stderr, (attack, done.stderr)
    (tmp_path / "key.toml").write_text(f'[audit]\nkey_file = "{key}"\n')
    said = reader.does(backup)
    assert "every entry, the tree and the signature hold" in said
    assert "every table is equal, byte for byte" in said
