"""The agent as a program: its configuration, what it says, and how it ends."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from tests.services.mt5_agent.desk import KEY, MODULE, Desk, command
from tests.services.mt5_agent.running import Agent

from ordergate.adapters.brokers.mt5.agent import Login, Refused, RemoteTerminal
from ordergate.adapters.brokers.mt5.agent.settings import Wrong, read

ENVIRONMENT = {"KEY": KEY, "PASSWORD": "secret", "SHORT": "k" * 31}


def settings(folder: Path, text: str):
    (folder / "agent.toml").write_text(text)
    return read(folder / "agent.toml", ENVIRONMENT)


def test_the_shortest_configuration(tmp_path: Path) -> None:
    read_ = settings(tmp_path, 'key_env = "KEY"')
    assert (read_.login, read_.module, read_.journal) == (Login(), "MetaTrader5", tmp_path / "journal.db")
    assert (read_.host, read_.port, read_.key, read_.tls) == ("127.0.0.1", 18_850, KEY, None)
    assert (read_.deadline_s, read_.start_s, read_.retention_days) == (20, 60, 90)


def test_the_longest_configuration(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    read_ = settings(
        tmp_path,
        'path = "C:/t.exe"\nlogin = 5\npassword_env = "PASSWORD"\nserver = "Demo"\nportable = true\nmodule = "other"\n'
        'journal = "other.db"\nretention_days = 120\ndeadline_s = 2.5\nstart_s = 9\nhost = "0.0.0.0"\nport = 1\n'
        'key_file = "key"\n',
    )
    assert read_.login == Login("C:/t.exe", 5, "secret", "Demo", portable=True)
    assert (read_.module, read_.journal, read_.key) == ("other", tmp_path / "other.db", KEY)
    assert (read_.deadline_s, read_.start_s, read_.retention_days, read_.host, read_.port) == (
        2.5,
        9,
        120,
        "0.0.0.0",
        1,
    )
    assert "secret" not in repr(read_.login)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "either key_env or key_file"),
        ('key_env = "KEY"\nkey_file = "k"', "either key_env or key_file"),
        ('key_env = "NONE"', "key_env names the variable 'NONE', which is not set"),
        ('key_env = "SHORT"', "SHORT: .*has 31 characters"),
        ('key_file = "none"', "none"),
        ('key_env = "KEY"\npassword_env = "NONE"', "password_env names the variable 'NONE'"),
        ('key_env = "KEY"\npassword = "x"', "password is unknown: must be one of path, "),
        ('key_env = "KEY"\nlogin = "5"', "login is '5': must be an integer"),
        ('key_env = "KEY"\nlogin = true', "login is True"),
        ('key_env = "KEY"\nport = 70000', "port is 70000: must be 0 to 65535"),
        ('key_env = "KEY"\ndeadline_s = 0', "deadline_s is 0: must be above 0"),
        ('key_env = "KEY"\ndeadline_s = nan', "deadline_s is nan"),
        ('key_env = "KEY"\ncertificate = "c.pem"', "belong together"),
        (
            'key_env = "KEY"\ncertificate = "c.pem"\ncertificate_key = "c.key"',
            "certificate and certificate_key:",
        ),
        ("key_env =", "Invalid value"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    with pytest.raises(Wrong, match=wrong):
        settings(tmp_path, text)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY, encoding="utf-8-sig")
    (tmp_path / "agent.toml").write_text('key_file = "key"', encoding="utf-8-sig")
    assert read(tmp_path / "agent.toml", {}).key == KEY


@pytest.mark.parametrize("name", ["key", "agent.toml"])
def test_a_file_that_is_not_in_utf_8_is_named(tmp_path: Path, name: str) -> None:
    """As Windows PowerShell writes with >."""
    for file, text in (("key", KEY), ("agent.toml", 'key_file = "key"')):
        (tmp_path / file).write_text(text, encoding="utf-16" if file == name else "utf-8")
    with pytest.raises(Wrong, match=f"{name} is not in UTF-8: write it so"):
        read(tmp_path / "agent.toml", {})


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(Wrong, match=r"agent\.toml"):
        read(tmp_path / "agent.toml", {})


def program(desk: Desk) -> subprocess.CompletedProcess[str]:
    how = [sys.executable, "-m", "ordergate.adapters.brokers.mt5.agent", "agent.toml"]
    return subprocess.run(how, cwd=desk.folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.slow
def test_it_runs_and_says_where_it_is(desk: Desk) -> None:
    async def talk(port: int) -> None:
        client = RemoteTerminal("127.0.0.1", port, KEY, 9)
        assert (await client.open()).login == 5
        assert (await client.send(command())).state == "answered"
        await client.close()

    async def late(port: int) -> None:
        client = RemoteTerminal("127.0.0.1", port, KEY, 8)
        await client.open()
        await client.close()

    agent = Agent(desk)
    try:
        assert agent.line() == "terminal 500 6231 27 Sep 2026: account 5 on Demo"
        asyncio.run(talk(agent.port))
        with pytest.raises(Refused, match="later session"):
            asyncio.run(late(agent.port))
        (desk.folder / "agent.toml").write_text(f'key_file = "key"\nport = 0\nmodule = "{MODULE}"\n')
        (desk.folder / "key").write_text(KEY)
        other = program(desk)
        assert other.returncode == 1
        assert "another process has it" in other.stderr
    finally:
        agent.kill()
    (desk.folder / "agent.toml").write_text("prot = 1")
    wrong = program(desk)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("prot is unknown")
    (desk.folder / "agent.toml").write_text('key_file = "key"\nhost = "10..0.7"\n')
    nowhere = program(desk)
    assert (nowhere.returncode, "Traceback" in nowhere.stderr) == (1, False)


def test_numbers_of_sessions_can_be_forgotten_and_a_refused_login_is_said(desk: Desk) -> None:
    async def open_(port: int, epoch: int) -> None:
        client = RemoteTerminal("127.0.0.1", port, KEY, epoch)
        try:
            await client.open()
        finally:
            await client.close()

    desk.how(initialize=[-6])
    agent = Agent(desk)
    try:
        assert agent.line() == "refused: the terminal refuses the login: error -6 (-6)"
        with pytest.raises(Refused, match="login"):
            asyncio.run(open_(agent.port, 2**62))
    finally:
        agent.kill()
    desk.how(initialize=[-10_005])
    agent = Agent(desk, "--forget-sessions")
    try:
        assert agent.line() == "not reachable yet: initialize failed: error -10005 (-10005)"
        desk.how()
        asyncio.run(open_(agent.port, 1))
    finally:
        agent.kill()
