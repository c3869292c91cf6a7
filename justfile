# What CI runs: `just check`. Everything else is a part of it, or a convenience.

set shell := ["bash", "-euo", "pipefail", "-c"]

# The recipes there are.
default:
    @just --list

# Lint, types, contracts, coverage floors.
check: lint types contracts coverage

# Style of the code.
lint:
    ruff check .
    ruff format --check .

# Types of the package.
types:
    mypy

# Who may know whom.
contracts:
    lint-imports

# The floors of the domain, which its own tests must reach; all quick tests would take ten times as long.
coverage:
    pytest --cov=ordergate.domain --cov-report=term:skip-covered tests/unit/domain
    coverage report --include='src/ordergate/domain/orders/transitions.py,src/ordergate/domain/fold.py' --fail-under=100
    coverage report --include='src/ordergate/domain/positions/*' --fail-under=95

# The quick tests.
test:
    pytest

# The long tests.
slow:
    pytest -m slow

# The pages of docs/reference that are made from the code.
docs:
    python docs/generate.py

# The versions that CI installs.
lock:
    uv pip compile pyproject.toml --all-extras --universal --no-emit-index-url --no-annotate --no-header -q -o requirements.lock

# What it costs, beside what it cannot do without.
bench *options:
    python -m bench {{options}}

# Runs of the deterministic simulation: `just simulate --seeds 5000`; docs/reference/simulation.md.
simulate *arguments:
    python -m tests.simulation {{ arguments }}
