"""Ends the chains that a process of tests has begun, with that process."""

import sys

import pytest


@pytest.hookimpl
def pytest_unconfigure() -> None:
    rig = sys.modules.get("tests.services.chain.rig")
    if rig is not None:
        rig.end_all()
