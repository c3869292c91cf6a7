"""The deterministic simulation: the real gate, journal and paper venue in a world made of dice.

`python -m tests.simulation` runs it; docs/reference/simulation.md says what is simulated and what is checked.
"""
