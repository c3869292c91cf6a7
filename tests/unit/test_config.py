"""What a configuration may say: whatever cannot be used is named by file and key before it is used."""

from pathlib import Path

import pytest

from ordergate.config import ConfigError, load

INSTRUMENT = {
    "class": '"crypto"',
    "unit": '"coins"',
    "tick": "0.01",
    "lot_step": "0.001",
    "currency": '"USDT"',
}


def instrument(name="X", **changes):
    fields = INSTRUMENT | changes
    return f'[instruments."{name}"]\n' + "".join(f"{key} = {value}\n" for key, value in fields.items())


def broker(name, rest=""):
    return f'[brokers."{name}"]\nadapter = "paper"\n{rest}\n[brokers.paper]\nadapter = "paper"\n'


def loaded(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return load(path)


@pytest.mark.parametrize("method", ["fifo", "lifo", "hifo", "loifo", "average", "specific"])
def test_a_fund_may_have_any_tax_lot_method(tmp_path, method):
    text = f'[funds.a]\ntax_lot_method = "{method}"\nunlimited = true\n[signals]\nfund = "a"\n'
    (fund,) = (fund for fund in loaded(tmp_path, text).fund_values() if fund.fund_id == "a")
    assert fund.tax_lot_method == method


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[funds.""]\n[signals]\nfund = ""\n', "funds.''"),
        ('[funds."a b"]\n[signals]\nfund = "a b"\n', "funds.a b"),
        ('[funds.a]\nbase_currency = ""\n[signals]\nfund = "a"\n', "funds.a.base_currency"),
        ('[funds.a]\nstrategies = ["ok", "not ok"]\n[signals]\nfund = "a"\n', "funds.a.strategies"),
        (broker("a/b"), "brokers.a/b"),
        (broker("../up"), "brokers.../up"),
        (broker(""), "brokers.''"),
        (broker("a b"), "brokers.a b"),
        (broker("lock"), "brokers.lock"),
        (broker("audit-key"), "brokers.audit-key"),
        (broker("db"), "brokers.db"),
        (broker("paper-wal"), "brokers.paper-wal"),
        (broker("paper.lock"), "brokers.paper.lock"),
        (broker("SHM"), "brokers.SHM"),
        (broker("two", 'currency = ""'), "brokers.two.currency"),
        (broker("two", "cash = 1e30"), "brokers.two.cash"),
        (broker("two", "fee_bps = 1e-30"), "brokers.two.fee_bps"),
        (instrument("A B"), "instruments.A B"),
        (instrument(""), "instruments.''"),
        (instrument(currency='""'), "instruments.X.currency"),
        (instrument(base='""'), "instruments.X.base"),
        (instrument(tick="1e-30"), "instruments.X.tick"),
        (instrument(contract_size="1e30"), "instruments.X.contract_size"),
        (instrument(pip_size="nan"), "instruments.X.pip_size"),
        (instrument(minimum="-1"), "instruments.X.minimum"),
        (instrument(tick="1e99999999999999999999"), "not TOML"),
        (instrument(tick="9" * 5_000), "not TOML"),
        ('[audit]\norigin = ""\n', "audit.origin"),
        ('[audit]\norigin = "my log"\n', "audit.origin"),
        ('[audit]\norigin = "a+b"\n', "audit.origin"),
        ('[audit]\norigin = "a\\u0000b"\n', "audit.origin"),
        ("[server]\nport = 0\n", "server.port"),
        ("[funds.one]\nhorizon_minutes = 1\n", "funds.one.horizon_minutes"),
        ("[server]\nport = 65536\n", "server.port"),
    ],
)
def test_what_cannot_be_is_named(tmp_path, text, key) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert "own.toml" in str(caught.value)
    assert key in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        broker("second.venue_2"),
        broker("wallet"),
        broker("flock"),
        instrument("SOL/USDT", pip_size="1e-18"),
        '[funds."desk/one"]\n[signals]\nfund = "desk/one"\n',
        '[audit]\norigin = "oms.example/audit/main"\n',
        "[server]\nport = 65535\n",
        '[funds.one]\nsplit_above = 100_000\nhorizon_minutes = 2\n[signals]\nfund = "one"\n',
    ],
)
def test_what_can_be_is_taken(tmp_path, text) -> None:
    loaded(tmp_path, text)


def test_a_fund_has_limits_or_none_and_not_both(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    limits = "[limits.funds.f]\nnav_usd = 100000\n"
    head = '[signals]\nfund = "f"\n[funds.f]\n'
    file.write_text(f"{head}unlimited = true\n{limits}")
    with pytest.raises(ConfigError, match=r"funds\.f\.unlimited: true says that it has no limits"):
        load(file)
    for right in (f"{head}unlimited = true\n", f"{head}{limits}"):
        file.write_text(right)
        load(file)
