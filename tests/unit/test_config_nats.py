"""The section on NATS: what it refuses, and that no password stands in it."""

import traceback

import pytest

from ordergate.application.ports.secrets import SecretError
from ordergate.config import ConfigError, load
from ordergate.config.nats import NatsSection
from tests.services.secrets import secrets

SERVERS = 'servers = ["nats://127.0.0.1:4222"]\n'


def _load(tmp_path, text: str):
    path = tmp_path / "ordergate.toml"
    path.write_text(text)
    return load(path)


def test_servers_are_named(tmp_path) -> None:
    found = _load(tmp_path, '[nats]\nservers = ["nats://127.0.0.1:4222", "tls://nats.example:4222"]')
    assert found.nats.servers == ("nats://127.0.0.1:4222", "tls://nats.example:4222")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('servers = ["127.0.0.1:4222"]', "write such as nats://127.0.0.1:4222"),
        ('servers = ["nats://a:b@127.0.0.1"]', "holds a user or password"),
        ('servers = ["nats://127.0.0.1:many"]', "is no URL"),
        ('credentials_file = "a"\ntoken_env = "B"', "one of credentials_file, a token, and username"),
        ('server = "nats://127.0.0.1"', "unknown field"),
        ('dialects = ["mts"]', "nats.dialects: goes nowhere: write nats.servers too"),
        ("alerts = true", "nats.alerts: goes nowhere"),
        ('positions_bucket = "P"', "nats.positions_bucket: goes nowhere"),
        (f'{SERVERS}dialects = ["fix"]', "Invalid enum value 'fix'"),
        (f'{SERVERS}stream = "a.b"', "nats.stream: 'a.b': write a name"),
        (f'{SERVERS}positions_bucket = ""', "nats.positions_bucket: '': write a name"),
        (f"{SERVERS}fund_suffix = true", "is of dialect mts"),
        (f'{SERVERS}max_age = "a while"', "nats.max_age: 'a while' is no window"),
        (f"{SERVERS}replicas = 6", "<= 5"),
        (f'{SERVERS}monitor = "127.0.0.1:8222"', "write such as http://127.0.0.1:8222"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _load(tmp_path, f"[nats]\n{text}")


@pytest.mark.parametrize("text", [
    'servers = ["nats://user:S3cret@h:many"]',
    'servers = ["nats://h:4222", "http://user:S3cret@h:4222"]',
    'servers = ["user:S3cret@h:4222"]',
    'servers = ["nats://user:S3cret/x@h:4222"]',
    'servers = ["nats://S3cret@h:4222"]',
    'token_env = "S3cret!"',
    'monitor = "user:S3cret@h:8222"',
    'monitor = "http://user:S3cret@h:8222"',
    '[nats.inputs]\nhmac_key_env = "S3cret!"',
])  # fmt: skip
def test_a_secret_in_the_wrong_place_is_not_shown(tmp_path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"nats\.") as refused:
        _load(tmp_path, f"[nats]\n{SERVERS if 'servers' not in text else ''}{text}")
    error: BaseException | None = refused.value
    assert "S3cret" not in "".join(traceback.format_exception(error))


def test_a_token_that_is_taken_for_a_variable_is_not_shown(monkeypatch) -> None:
    monkeypatch.delenv("S3cret", raising=False)
    with pytest.raises(SecretError) as refused:
        NatsSection(token_env="S3cret").login(secrets())
    assert "S3cret" not in str(refused.value)


def test_a_login_that_is_not_there_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("OG_NATS", raising=False)
    with pytest.raises(SecretError, match="token_env: the variable that it names is not set"):
        NatsSection(token_env="OG_NATS").login(secrets())
    with pytest.raises(ConfigError, match="there is no file"):
        NatsSection(credentials_file=str(tmp_path / "x")).login(secrets())
    monkeypatch.setenv("OG_NATS", "secret")
    assert NatsSection(token_env="OG_NATS").login(secrets()).token().reveal() == "secret"


SERVED = 'servers = ["nats://127.0.0.1:4222"]\n'
BUS = '[brokers.{0}]\nadapter = "bus"\n{1}\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[nats.inputs]\nsignals = true", "nats.inputs: takes messages from a server"),
        (f"[nats]\n{SERVED}[nats.inputs]\nsigned_only = true", "signed_only: write what signatures"),
        (f"[nats]\n{SERVED}[nats.inputs]\ned25519_key = 'abc'", "ed25519_key: is not the base64"),
        (
            f"[nats]\n{SERVED}[nats.inputs]\nhmac_key_env = 'A'\nhmac_key_file = 'b'",
            "write one of hmac_key_env",
        ),
        (f"[nats]\n{SERVED}[nats.inputs]\nsignals_stream = 'a.b'", "signals_stream: write a name"),
        (f"[nats]\n{SERVED}[nats.inputs]\nmax_deliver = 0", "max_deliver"),
        ("[gates.desk]\nsubject = 'risk.check'", "gates.desk.subject: is on a server"),
        (f"[nats]\n{SERVED}[gates.desk]\nsubject = 'risk.*'", "is no subject"),
        (f"[nats]\n{SERVED}[gates.desk]\nsubject = 'risk..x'", "is no subject"),
        (f"[nats]\n{SERVED}[gates.desk]\nsubject = 'a'\nclass = 'b:C'", "write one of class and subject"),
        (BUS.format("desk", ""), "brokers.desk: is behind NATS"),
        (f"[nats]\n{SERVED}" + BUS.format("desk", "stream = 'a b'"), "brokers.desk.stream: write a name"),
        (
            f"[nats]\n{SERVED}"
            + BUS.format("one", "subjects = ['mt5.fills.*']")
            + BUS.format("two", "subjects = ['mt5.fills.EURUSD']"),
            "brokers.two: mt5.fills.EURUSD is also of broker one",
        ),
        (
            f"[nats]\n{SERVED}" + BUS.format("one", "broker = 'x'") + BUS.format("two", "broker = 'x'"),
            "is also of broker one",
        ),
        (
            f"[nats]\n{SERVED}" + BUS.format("one", "subjects = ['mts.v1.brokers.*.fills.raw']"),
            "one.subjects: .* leave one of the two out",
        ),
        (
            f"[nats]\n{SERVED}" + BUS.format("one", "subjects = ['a.*.c', 'a.b.*']"),
            "one.subjects: .* leave one of the two out",
        ),
        (
            f"[nats]\n{SERVED}"
            + BUS.format("one", "")
            + BUS.format("two", "subjects = ['mts.v1.brokers.one.fills.raw']"),
            "brokers.two: .* is also of broker one",
        ),
        (
            f"[nats]\n{SERVED}dialects = ['orders']\n" + BUS.format("one", "sends = 'publish'"),
            "takes what it reads there for orders",
        ),
    ],
)
def test_inputs_gates_and_brokers_that_cannot_be(tmp_path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        _load(tmp_path, text + ("" if "brokers" in text else "\n"))


@pytest.mark.parametrize(("text", "said"), [
    (BUS.format("desk", "deadline_ms = 0"), "deadline_ms is 0: it must be from 1 to 25000 - at `$.brokers.desk`"),
    (BUS.format("desk", 'tifs = ["x"]'), "at `$.brokers.desk.tifs[0]`"),
    (BUS.format('"b.x"', "calls = 0"), "at `$.brokers.b.x`"),
    ('[gates.desk]\nsubject = "a"\n[gates.risk]\ntimeout_s = "x"\n', "at `$.gates.risk.timeout_s`"),
    ("[funds.fair]\n[funds.far]\nbroker = 3\n", "at `$.funds.far.broker`"),
    ('[limits.funds.fair]\nmax_order_quantity = []\n', "at `$.limits.funds.fair"),
])  # fmt: skip
def test_an_error_names_the_table_that_it_is_in(tmp_path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, f"[nats]\n{SERVED}" + BUS.format("other", "") + text)
    assert said in str(refused.value)


def test_a_broker_behind_nats_is_read(tmp_path) -> None:
    text = f"[nats]\n{SERVED}" + BUS.format(
        "desk", 'order_types = ["market", "limit"]\ndeduplication = "forever"'
    )
    found = _load(tmp_path, text + '[brokers.paper]\nadapter = "paper"\n')
    assert found.brokers["desk"].capabilities().deduplication == "forever"
    assert {str(kind) for kind in found.brokers["desk"].capabilities().order_types} == {"market", "limit"}


def test_what_goes_out_is_named(tmp_path) -> None:
    found = _load(
        tmp_path, f'[nats]\n{SERVERS}dialects = ["mts", "orders", "updates", "events"]\nmax_age = "12h"'
    ).nats
    assert [str(one) for one in found.dialects] == ["mts", "orders", "updates", "events"]
    assert found.max_age_s == 43_200
    assert NatsSection(max_age="forever").max_age_s is None
