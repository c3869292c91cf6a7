"""Hypothesis: no deadlines (machines differ), and in CI the same examples every time. Fixtures of databases.

Tests start a few hundred interpreters; those keep what they compile, also where the environment says otherwise.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

pytest_plugins = [
    "tests.services.hub",
    "tests.services.kafka",
    "tests.services.nats",
    "tests.services.postgres",
    "tests.services.set_up",
    "tests.services.venues",
]
