"""Hypothesis: no deadlines (machines differ), and in CI the same examples every time. PostgreSQL's fixtures."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

pytest_plugins = ["tests.services.postgres", "tests.services.venues"]
