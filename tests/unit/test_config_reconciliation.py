"""The configuration of comparisons: what is said of one broker counts there, what cannot be is refused by name."""

from decimal import Decimal
from pathlib import Path

import pytest

from ordergate.application.comparison import Policy
from ordergate.config import ConfigError, load
from ordergate.config.reconciliation import account_terms_of


def loaded(tmp_path: Path, text: str):
    path = tmp_path / "gate.toml"
    path.write_text(text)
    return load(path).reconciliation


def test_what_is_not_said_has_a_default():
    terms = account_terms_of(load(None).reconciliation, "paper")
    assert (terms.every_s, terms.strict, terms.policy) == (300, False, Policy.ALERT)
    assert terms.terms.quantities.covers(Decimal(1), Decimal(1))
    assert not terms.terms.quantities.covers(Decimal(1), Decimal("1.00000001"))
    assert terms.terms.balances.covers(Decimal(1), Decimal("1.01"))


def test_a_broker_has_its_own_terms_and_the_others_those_of_all(tmp_path: Path):
    section = loaded(
        tmp_path,
        "[brokers.paper]\n[brokers.other]\n[reconciliation]\nevery_s = 60\npolicy = 'correct'\n"
        "[reconciliation.brokers.paper]\npolicy = 'halt'\nstrict = true\nopening = { USD = 250000.5 }\n"
        "balances = { absolute = 0, relative = 0.001 }\n",
    )
    own, other = account_terms_of(section, "paper"), account_terms_of(section, "other")
    assert (own.every_s, own.strict, own.policy) == (60, True, Policy.HALT)
    assert own.terms.opening == {"USD": Decimal("250000.5")}
    assert own.terms.balances.covers(Decimal(1001), Decimal(1000))
    assert (other.every_s, other.strict, other.policy) == (60, False, Policy.CORRECT)
    assert other.terms.opening == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[reconciliation]\nevery_s = 0", "every_s"),
        ("[reconciliation]\npolicy = 'hope'", "policy"),
        ("[reconciliation]\nevery = 5", "every"),
        ("[reconciliation.brokers.nobody]\nstrict = true", "'nobody' is no broker; there are paper"),
        ("[reconciliation]\nbalances = { absolute = -1 }", "reconciliation.balances.absolute: -1 must be"),
        (
            "[reconciliation.brokers.paper]\nquantities = { relative = nan }",
            "brokers.paper.quantities.relative",
        ),
        (
            "[reconciliation]\nbalances = { relative = 2 }",
            "reconciliation.balances.relative: 2 must be 1 or below",
        ),
        (
            "[reconciliation.brokers.paper]\nquantities = { relative = 1.01 }",
            "brokers.paper.quantities.relative: 1.01 must be 1 or below",
        ),
        ("[reconciliation.brokers.paper]\nopening = { USD = inf }", "brokers.paper.opening.USD"),
    ],
)
def test_what_cannot_be_is_refused_by_name(tmp_path: Path, text: str, said: str):
    with pytest.raises(ConfigError, match=said.replace(".", r"\.")):
        loaded(tmp_path, text)


def test_all_of_it_may_be_apart(tmp_path: Path):
    assert loaded(tmp_path, "[reconciliation]\nbalances = { relative = 1 }").balances.relative == 1
