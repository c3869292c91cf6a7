"""The simulation of the MetaTrader5 package against the package itself, which downloads, but does not run, here."""

import inspect
import json
from pathlib import Path

import filelock
import pytest

from ordergate.testing.metatrader5 import Package, constants
from ordergate.testing.metatrader5 import package as simulated
from ordergate.testing.metatrader5.structs import STRUCTS, Sequence
from ordergate.testing.metatrader5.texts import ERRORS
from tests.services import mt5_wheel

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
UNNAMED, NAMED, NONE = 1, 2, 4
ARGUMENTS = [
    "Invalid arguments",
    "Invalid number of arguments",
    "Unnamed arguments not allowed",
    "Invalid 1st unnamed argument",
    "Invalid 2nd unnamed argument",
    "Invalid 3rd unnamed argument",
    *(
        f'Invalid "{name}" argument'
        for name in (
            *STRUCTS["TradeRequest"].FIELDS,
            "login",
            "server",
            "password",
            "timeout",
            "path",
            "ticket",
            "group",
        )
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _wheel() -> None:
    mt5_wheel.CACHE.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(mt5_wheel.CACHE / "lock"):
        try:
            mt5_wheel.wheel()
        except mt5_wheel.Away as away:
            pytest.skip(f"the registry does not give the MetaTrader5 wheel: {away}")
    return


@pytest.fixture(scope="module")
def core() -> mt5_wheel.Image:
    return mt5_wheel.core()


def test_constants_are_those_of_the_package_in_its_order() -> None:
    real = mt5_wheel.constants(mt5_wheel.source())
    assert list(real.items()) == list(constants.EXPORTED.items())
    assert all(getattr(simulated, name) == value for name, value in real.items())


def test_structs_have_the_fields_of_the_package_in_its_order(core: mt5_wheel.Image) -> None:
    assert {name: list(struct.FIELDS) for name, struct in STRUCTS.items()} == core.structs()


@pytest.mark.parametrize("struct", STRUCTS.values(), ids=list(STRUCTS))
def test_fields_have_the_types_that_the_package_makes(core: mt5_wheel.Image, struct: type[Sequence]) -> None:
    """Between two fields without a call in between is a bool, or a struct that was made before."""
    made = core.conversions()[struct.n_fields]
    assert made == [bool if issubclass(kind, Sequence) else kind for kind in struct.FIELDS.values()]


def test_functions_take_arguments_as_the_package_does(core: mt5_wheel.Image) -> None:
    real = {name: flags for name, flags in core.methods().items() if name[0] != "_"}
    for name, flags in real.items():
        kinds = {one.kind for one in inspect.signature(getattr(Package, name)).parameters.values()}
        took = {inspect.Parameter.VAR_POSITIONAL: UNNAMED, inspect.Parameter.VAR_KEYWORD: NAMED}
        assert sum(took.get(kind, 0) for kind in kinds) == (0 if flags == NONE else flags), name
        assert name in simulated.__all__
    assert {name for name in simulated.__all__ if name.islower()} == set(real)


@pytest.mark.parametrize("text", [*ARGUMENTS, *ERRORS.values()])
def test_texts_of_errors_are_the_package_s(core: mt5_wheel.Image, text: str) -> None:
    assert core.has(text.replace("MetaTrader 5 x64 not found", "%S"))


def test_the_reference_says_the_same_where_it_is() -> None:
    if not (REFERENCE / "mt5_structs.json").exists():
        pytest.skip(f"there is no {REFERENCE}")
    told = json.loads((REFERENCE / "mt5_structs.json").read_text())
    assert {name: list(fields) for name, fields in told.items()} == {
        name: list(struct.FIELDS) for name, struct in STRUCTS.items()
    }
    assert json.loads((REFERENCE / "mt5_constants.json").read_text()) == constants.EXPORTED
