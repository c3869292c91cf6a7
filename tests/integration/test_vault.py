"""Secrets in a real server of Vault's protocol: read, rotated, with tokens that run out, and while it is ill."""

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ordergate.adapters.secrets import vault as adapter
from ordergate.adapters.secrets.providers import Providers
from ordergate.adapters.secrets.vault import Vault as Adapter
from ordergate.adapters.secrets.vault import VaultTarget
from ordergate.application.ports.secrets import Found, Kind, Place, Secret, SecretAway, SecretError
from ordergate.application.secrets import Secrets
from tests.services.canaries import told
from tests.services.vault import READER, NoVault, Vault, answering

PLACE = Place("kafka.password_secret", Kind.NAME, "mts1b/kafka#password")
CANARY = "canary-of-vault"


class Clock:
    """Seconds that a test lets pass, on top of those that do."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.passed


def by_token(vault: Vault, token: str, clock: Callable[[], float] = time.monotonic) -> Adapter:
    return Adapter(VaultTarget(address=vault.address), lambda: Secret(token), clock)


def read(adapter: Adapter, name: str = PLACE.text) -> Found:
    return Providers(("vault",), vault=adapter).read(Place(PLACE.setting, Kind.NAME, name))


def test_reading_and_rotating(vault: Vault) -> None:
    vault.put("mts1b/kafka", password="one", other="x")
    asked = by_token(vault, vault.token())
    found = read(asked)
    assert (found.value.reveal(), found.provider, found.where) == ("one", "vault", "secret/mts1b/kafka")
    assert found.version == 1
    assert found.since is not None
    assert found.lease_s == pytest.approx(3600, abs=5)
    assert vault.put("mts1b/kafka", password="two") == 2
    again = read(asked)
    assert (again.value.reveal(), again.version) == ("two", 2)
    for name in ("mts1b/kafka#other", "mts1b/nothing#x"):
        with pytest.raises(
            SecretError, match=rf"there is no secret {name}: put it into one of the key"
        ) as no:
            read(asked, name)
        assert not isinstance(no.value, SecretAway)
    vault.put("mts1b/kafka", password={"deep": 1})
    with pytest.raises(SecretError, match="is no text"):
        read(asked)
    vault.ask("DELETE", "secret/data/mts1b/kafka")
    with pytest.raises(SecretError, match="there is no secret"):
        read(asked)


def test_another_mount_a_namespace_and_no_way_in(vault: Vault) -> None:
    vault.ask("POST", "sys/mounts/desk", {"type": "kv", "options": {"version": "2"}})
    vault.put("a", mount="desk", b="of the desk")
    target = VaultTarget(address=vault.address, mount="desk")
    with pytest.raises(SecretAway, match="refuses: is the token or role valid") as refused:
        read(Adapter(target, lambda: Secret(vault.token())), "a#b")
    assert "read desk/data/..." in str(refused.value)
    with pytest.raises(SecretAway, match="refuses") as refused:
        read(by_token(vault, CANARY))
    assert CANARY not in told(refused.value, variables=True)
    vault.ask("POST", "sys/namespaces/firm")
    spaced = VaultTarget(address=vault.address, namespace="firm")
    with pytest.raises(SecretAway, match="refuses"):
        read(Adapter(spaced, lambda: Secret(vault.token())))


def test_a_namespace(vault: Vault) -> None:
    vault.ask("POST", "sys/namespaces/firm")
    vault.ask("POST", "firm/sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    vault.ask("PUT", "firm/sys/policies/acl/reader", {"policy": READER})
    vault.put("a", mount="firm/secret", b="of the firm")
    made = vault.ask("POST", "firm/auth/token/create", {"policies": ["reader"], "ttl": "1h"})
    target = VaultTarget(address=vault.address, namespace="firm")
    asked = Adapter(target, lambda: Secret(made["auth"]["client_token"]))
    assert read(asked, "a#b").value.reveal() == "of the firm"


def test_a_certificate_is_checked(tmp_path: Path) -> None:
    try:
        vault = Vault(tmp_path / "vault", tls=True)
    except NoVault as missing:
        pytest.skip(str(missing))
    try:
        vault.put("mts1b/kafka", password="one")
        token = vault.token()
        trusting = VaultTarget(address=vault.address, ca_file=str(vault.ca_file))
        assert read(Adapter(trusting, lambda: Secret(token))).value.reveal() == "one"
        with pytest.raises(SecretAway, match="has a certificate that is not trusted: write ca_file"):
            read(by_token(vault, token))
    finally:
        vault.kill()


def test_an_approle_logs_in_again_when_its_token_is_gone(vault: Vault) -> None:
    vault.put("mts1b/kafka", password="one")
    role, word = vault.role()
    asked = Adapter(VaultTarget(address=vault.address, role_id=role), lambda: Secret(word))
    assert read(asked).value.reveal() == "one"
    vault.revoke(asked._client.token)
    assert read(asked).value.reveal() == "one"
    with pytest.raises(SecretAway, match="refuses"):
        read(Adapter(VaultTarget(address=vault.address, role_id=role), lambda: Secret(CANARY)))


def test_a_token_is_renewed_and_replaced_at_its_end(vault: Vault) -> None:
    vault.put("mts1b/kafka", password="one")
    clock = Clock()
    role, word = vault.role(ttl="60s", most="100s")
    asked = Adapter(VaultTarget(address=vault.address, role_id=role), lambda: Secret(word), clock)
    read(asked)
    first = asked._client.token
    assert asked.due_s() == pytest.approx(30, abs=3)
    asked.tend()
    assert vault.renewals() == 0, "it is not due"
    clock.passed = 31
    asked.tend()
    assert vault.renewals() == 1
    assert asked._client.token == first
    assert read(asked).lease_s == pytest.approx(60, abs=5)
    vault.revoke(first)
    clock.passed = 80
    asked.tend()  # it cannot be renewed, so another takes its place
    assert asked._client.token != first
    assert read(asked).value.reveal() == "one"


@pytest.mark.slow
def test_watching_goes_on_when_tokens_get_no_more_time(vault: Vault) -> None:
    vault.put("mts1b/kafka", password="one")
    role, word = vault.role(ttl="2s", most="3s")
    asked = Adapter(VaultTarget(address=vault.address, role_id=role), lambda: Secret(word))

    async def main() -> None:
        secrets, tokens = Secrets(Providers(("vault",), vault=asked)), set[str]()
        held = secrets.hold(PLACE)
        with capture_logs() as logs:
            watching = asyncio.create_task(secrets.watch(3600, lambda: 1.0, asyncio.sleep))
            until = time.monotonic() + 30
            while len(tokens) < 3:
                assert time.monotonic() < until
                tokens.add(asked._client.token)
                await asyncio.sleep(0.01)
            vault.put("mts1b/kafka", password="two")
            while held().reveal() != "two":
                assert time.monotonic() < until
                await asyncio.sleep(0.01)
            watching.cancel()
        assert [line["event"] for line in logs] == ["a secret was rotated"]
        assert held.stale is None

    asyncio.run(main())


def test_a_token_that_runs_out_is_told_of_and_taken_when_it_is_replaced(vault: Vault, tmp_path: Path) -> None:
    vault.put("mts1b/kafka", password="one")
    file = tmp_path / "token"
    file.write_text(vault.token(ttl="3s", renewable=False))
    asked = Adapter(VaultTarget(address=vault.address), lambda: Secret(file.read_text()))
    read(asked)
    until, told = time.monotonic() + 30, ""
    while not told:
        assert time.monotonic() < until
        try:
            asked.tend()
        except SecretAway as error:
            told = str(error)
        time.sleep(0.01)
    assert re.search(r"runs out in \d s and cannot be renewed: put another in its place", told)
    file.write_text(vault.token())
    asked.tend()
    assert asked.due_s() == pytest.approx(1800, abs=5)
    assert read(asked).value.reveal() == "one"


@pytest.mark.slow
def test_while_it_is_ill_the_last_value_stands(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "ANSWER_S", 0.3)
    vault.put("mts1b/kafka", password="one")

    async def main() -> None:
        asked = by_token(vault, vault.token())
        secrets = Secrets(Providers(("vault",), vault=asked))
        held = secrets.hold(PLACE)

        async def wrong(said: str) -> None:
            await secrets.refresh()
            assert held().reveal() == "one"
            assert said in str(held.stale)
            assert str(held.stale).startswith("kafka.password_secret: Vault at http://127.0.0.1:")

        vault.seal()
        await wrong("is sealed or not ready (503)")
        vault.unseal()
        await secrets.refresh()
        assert held.stale is None
        vault.pause()
        await wrong("does not answer within")
        vault.resume()
        vault.limit(0.01)
        await secrets.refresh()
        await wrong("takes no more requests now (429)")
        vault.kill()
        await wrong("cannot be reached")

    asyncio.run(main())


@pytest.mark.parametrize(("status", "body", "headers", "said"), [
    (200, b"<html>hello</html>", {}, "gave no answer of a key-value engine"),
    (200, b'{"data": {"ttl', {}, "gave no answer"),
    (200, b"[]", {}, "gave no answer"),
    (200, b'{"data": {}}', {}, "gave no answer"),
    (204, b"", {}, "gave no answer"),
    (307, b"", {"Location": "http://127.0.0.1:1/v1/auth/token/lookup-self"}, "the address that of the active server"),
    (500, b"{}", {}, "answers with an error (InternalServerError)"),
    (501, b"{}", {}, "answers with an error (VaultNotInitialized)"),
    (502, b"x", {}, "answers with an error (BadGateway)"),
    (418, b"x", {}, "answers with an error (UnexpectedError)"),
], ids=str)  # fmt: skip
def test_what_is_no_vault(status: int, body: bytes, headers: dict[str, str], said: str) -> None:
    with answering(status, body, **headers) as address:
        asked = Adapter(VaultTarget(address=address), lambda: Secret(CANARY))
        with pytest.raises(SecretAway) as refused:
            read(asked)
    assert said in str(refused.value)
    assert CANARY not in told(refused.value, variables=True)


def test_a_secret_that_is_no_answer_after_a_good_login(vault: Vault) -> None:
    vault.put("mts1b/kafka", password="one")
    asked = by_token(vault, vault.token())
    read(asked)
    with answering(200, b'{"data": {"data": {"password": "x"}, "metadata": {"version": "?"}}}') as address:
        asked._client.adapter.base_uri = address
        with pytest.raises(SecretAway, match="gave no answer"):
            read(asked)
