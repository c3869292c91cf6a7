"""Secrets in variables and files, and the order of their providers."""

import copy
import json
import os
import pickle
import sys
import traceback
from pathlib import Path

import msgspec
import pytest
import structlog

from ordergate.adapters.secrets.places import variable_of
from ordergate.adapters.secrets.providers import Providers
from ordergate.adapters.secrets.vault import Vault, VaultTarget
from ordergate.application.ports.secrets import (
    Found,
    Held,
    Kind,
    Place,
    Secret,
    SecretAway,
    SecretError,
    fixed,
)

NAME = "mts1b/brokers/alpaca#api_key"
VARIABLE = "ORDERGATE_SECRET_MTS1B__BROKERS__ALPACA__API_KEY"
VALUE = "hunter2-and-more"


def place(kind: Kind, text: str) -> Place:
    return Place("x.y_z", kind, text)


def named(name: str = NAME) -> Place:
    return place(Kind.NAME, name)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(VALUE)
    found = Found(value=secret, provider="vault", where="a")
    said = [repr(secret), str(secret), f"{secret} {secret!r:>20} {secret:>10}", f"{found}", repr(Held(found))]
    said.append("%s" % secret)  # noqa: UP031 - that too
    try:
        hidden = secret
        raise ValueError(hidden)
    except ValueError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        said += [*told.format()]
    for wrong in (json.dumps, msgspec.json.encode, msgspec.to_builtins, msgspec.msgpack.encode, pickle.dumps):
        for value in (secret, found):
            with pytest.raises((TypeError, AttributeError)) as refused:
                wrong(value)
            said.append(str(refused.value))
    render = structlog.dev.ConsoleRenderer(colors=False)
    said.append(str(render(None, "", {"event": "x", "secret": secret})))
    assert VALUE not in "".join(said)
    assert not hasattr(secret, "__dict__")
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0].reveal() == VALUE
    assert secret == Secret(VALUE) != Secret("other")
    assert secret != VALUE
    with pytest.raises(TypeError):
        hash(secret)


def test_the_variable_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert variable_of(NAME) == VARIABLE
    monkeypatch.setenv(VARIABLE, f" {VALUE}\n")
    found = Providers(("environment",)).read(named())
    assert (found.value.reveal(), found.provider, found.where) == (VALUE, "environment", VARIABLE)
    assert found.version is found.since is found.lease_s is None


def test_the_file_of_a_name(tmp_path: Path) -> None:
    file = tmp_path / "mts1b" / "brokers" / "alpaca" / "api_key"
    file.parent.mkdir(parents=True)
    file.write_text(f"{VALUE}\n")
    file.chmod(0o600)
    found = Providers(("files",), tmp_path).read(named())
    assert (found.value.reveal(), found.provider, found.where) == (VALUE, "files", str(file))
    assert found.since is not None
    assert found.warning is None


def test_the_first_provider_that_has_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("of the file")
    monkeypatch.setenv("ORDERGATE_SECRET_A__B", "of the environment")

    def first(*order: str) -> str:
        return Providers(order, tmp_path).read(named("a#b")).value.reveal()  # type: ignore[arg-type]

    assert first("files", "environment") == "of the file"
    assert first("environment", "files") == "of the environment"
    monkeypatch.delenv("ORDERGATE_SECRET_A__B")
    assert first("environment", "files") == "of the file"


def test_what_is_nowhere_is_said_with_where_it_could_be(tmp_path: Path) -> None:
    with pytest.raises(SecretError) as refused:
        Providers(folder=tmp_path).read(named("a/b#c"))
    assert str(refused.value) == (
        "x.y_z: there is no secret a/b#c: put it into one of the variable ORDERGATE_SECRET_A__B__C, the file "
        f"{tmp_path / 'a' / 'b' / 'c'}"
    )


def test_a_provider_that_cannot_be_asked_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERGATE_SECRET_A__B", "replaced long ago")

    class Away:
        def read(self, _place: Place) -> Found:
            raise SecretAway("away")

    providers = Providers(("vault", "environment"), vault=Away())  # type: ignore[arg-type]
    with pytest.raises(SecretAway):
        providers.read(named("a#b"))


def test_a_variable_is_not_shown_where_it_may_be_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("hunter2", raising=False)
    with pytest.raises(SecretError, match="the variable that it names is not set") as refused:
        Providers().read(place(Kind.VARIABLE, "hunter2"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(("content", "mode", "why"), [
    (None, 0, "cannot be read: No such file"),
    (b"", 0o600, "is empty"),
    (b" \n", 0o600, "is empty"),
    (b"\xff\xfe", 0o600, "it is no text"),
    (b"x" * 65_537, 0o600, "more than 65536 bytes"),
    (VALUE.encode(), 0o620, "others than its owner can write"),
    (VALUE.encode(), 0o602, "chmod go-w"),
], ids=["none", "empty", "blank", "binary", "huge", "its group writes", "all write"])  # fmt: skip
def test_a_file_that_cannot_be_used(tmp_path: Path, content: bytes | None, mode: int, why: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
        file.chmod(mode)
    with pytest.raises(SecretError, match=why) as refused:
        Providers().read(place(Kind.FILE, str(file)))
    assert str(file) in str(refused.value)
    assert VALUE not in "".join(traceback.format_exception(refused.value))


def test_a_file_in_a_folder_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(SecretError, match="cannot be read: Is a directory"):
        Providers(("files",), tmp_path).read(named("a#b"))


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_a_file_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)
    file = tmp_path / "secret"
    file.write_text(VALUE)
    file.chmod(0o644)
    assert Providers().read(place(Kind.FILE, str(file))).warning == (
        f"everybody on this machine can read {file}: chmod o-r {file}"
    )
    tmp_path.chmod(0o700)
    assert Providers().read(place(Kind.FILE, str(file))).warning is None, "nobody comes through the folder"


def test_without_its_library_vault_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hvac", None)
    vault = Vault(VaultTarget(address="http://127.0.0.1:9"), lambda: Secret("x"))
    with pytest.raises(SecretError, match=r"pip install 'ordergate\[vault\]'"):
        Providers(("vault",), vault=vault).read(named())


def test_what_was_replaced_counts_until_it_is_forgotten() -> None:
    held = fixed("one")
    assert not held.replace(fixed("one").found)
    assert [one.reveal() for one in held.accepted] == ["one"]
    assert held.replace(fixed("two").found)
    assert held().reveal() == "two"
    assert [one.reveal() for one in held.accepted] == ["two", "one"]
    held.forget()
    assert [one.reveal() for one in held.accepted] == ["two"]
