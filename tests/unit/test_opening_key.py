"""A gate goes on under the key that has signed the journal; none is made where there is one already."""

import asyncio
import base64
from pathlib import Path

import pytest

from ordergate.adapters.journals.location import place_beside
from ordergate.adapters.secrets.audit_key import AuditKeyError, beside
from ordergate.application.ports.secrets import SecretError
from ordergate.bootstrap import open_gate
from ordergate.config import Audit, Config
from ordergate.config.errors import ConfigError
from ordergate.config.secrets import SecretsSection


@pytest.fixture(params=["file", "server"])
def url(request, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'orders.db'}"
    return request.getfixturevalue("database")


def opened(url: str, config: Config | None = None) -> None:
    async def main() -> None:
        async with open_gate(config or Config(), url):
            pass

    asyncio.run(main())


def key_file(url: str) -> Path:
    path = beside(place_beside(url))
    assert path is not None
    return path


def test_no_second_key_is_made(url):
    """As on another machine that shares the database."""
    opened(url)
    key = key_file(url).read_bytes()
    key_file(url).unlink()
    with pytest.raises(AuditKeyError, match="is not here: name the right one"):
        opened(url)
    assert not key_file(url).exists()
    key_file(url).write_bytes(key)
    opened(url)


def test_another_key_that_was_made_somewhere_is_refused(url):
    opened(url)
    key_file(url).write_bytes(base64.b64encode(bytes(32)))
    with pytest.raises(AuditKeyError, match="is not the audit key that has signed"):
        opened(url)


def test_a_log_keeps_its_origin(url, monkeypatch):
    """Under a named key too: two shards whose databases are one by two names would write into one log."""
    monkeypatch.setenv("ORDERGATE_AUDIT_KEY", base64.b64encode(bytes(32)).decode())
    opened(url)
    with pytest.raises(ConfigError, match=r"holds the log 'ordergate\.local/journal', not 'example\.com/us'"):
        opened(url, Config(audit=Audit(origin="example.com/us")))
    opened(url)


def test_a_key_that_has_a_name(url, tmp_path, monkeypatch):
    seed = base64.b64encode(bytes(32)).decode()
    config = Config(
        audit=Audit(key_secret="audit/journal#key"),
        secrets=SecretsSection(order=("files",), folder=str(tmp_path / "secrets")),
    )
    with pytest.raises(SecretError, match=r"audit\.key_secret: there is no secret audit/journal#key"):
        opened(url, config)
    file = tmp_path / "secrets" / "audit" / "journal" / "key"
    file.parent.mkdir(parents=True)
    file.write_text(seed)
    file.chmod(0o600)
    opened(url, config)
    assert not key_file(url).exists(), "none is made beside it"
    monkeypatch.setenv("ORDERGATE_AUDIT_KEY", seed)
    opened(url)
    monkeypatch.delenv("ORDERGATE_AUDIT_KEY")
    file.write_text("no key, but a secret")
    with pytest.raises(AuditKeyError, match=r"audit\.key_secret is no audit key") as refused:
        opened(url, config)
    assert "but a secret" not in str(refused.value)


def test_a_key_that_somebody_names_may_be_another(url, monkeypatch):
    """So that it can be changed."""
    opened(url)
    monkeypatch.setenv("ORDERGATE_AUDIT_KEY", base64.b64encode(bytes(32)).decode())
    opened(url)
