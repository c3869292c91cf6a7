"""The key made beside a database: private, whole or not there, and never written over."""

import base64
import os

import pytest

from ordergate.adapters.secrets import audit_key
from ordergate.adapters.secrets.audit_key import AuditKeyError, beside, find_or_make_key

ORIGIN = "ordergate.example/test"


@pytest.fixture(autouse=True)
def _no_key_of_the_environment(monkeypatch):
    monkeypatch.delenv(audit_key.VARIABLE, raising=False)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "orders.db"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_it_is_made_once_private_and_leaves_nothing_else(database, tmp_path):
    first = find_or_make_key(ORIGIN, None, database)
    again = find_or_make_key(ORIGIN, None, database)
    assert first.signer.verifier == again.signer.verifier
    assert names(tmp_path) == ["orders.db.audit-key"]
    if os.name == "posix":
        assert beside(database).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("fails", ["fsync", "link"])
def test_a_crash_while_it_is_made_does_not_block_the_next_start(database, tmp_path, monkeypatch, fails):
    class Crash(BaseException):
        pass

    def crash(*_arguments):
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(os, fails, crash)
        with pytest.raises(Crash):
            find_or_make_key(ORIGIN, None, database)
    assert not beside(database).exists()
    assert find_or_make_key(ORIGIN, None, database).generated
    assert names(tmp_path) == ["orders.db.audit-key"]


def test_a_key_that_came_first_is_kept_and_used(database, monkeypatch):
    others = base64.b64encode(bytes(32))
    link = os.link

    def late(part, path):
        path.write_bytes(others)
        link(part, path)

    monkeypatch.setattr(os, "link", late)
    made = find_or_make_key(ORIGIN, None, database)
    assert beside(database).read_bytes() == others
    monkeypatch.undo()
    assert made.signer.verifier == find_or_make_key(ORIGIN, None, database).signer.verifier


def test_a_file_system_without_second_names_will_do(database, tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    made = find_or_make_key(ORIGIN, None, database)
    assert made.signer.verifier == find_or_make_key(ORIGIN, None, database).signer.verifier
    assert names(tmp_path) == ["orders.db.audit-key"]


def test_a_disk_that_does_not_take_it_is_named(database, tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AuditKeyError, match=r"orders.db.audit-key cannot be made: No space left"):
        find_or_make_key(ORIGIN, None, database)
    assert names(tmp_path) == []


def test_a_key_that_is_no_text_of_ours_is_refused(database, monkeypatch):
    monkeypatch.setenv(audit_key.VARIABLE, "schlüssel")
    with pytest.raises(AuditKeyError, match="no audit key") as caught:
        find_or_make_key(ORIGIN, None, database)
    assert "schl" not in str(caught.value)
