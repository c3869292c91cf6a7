"""Reconciliation: our record against the broker's own, as values and pure functions."""
