"""Algorithms: how a large order is worked in slices over time. Pure: what is due follows from what it is given."""
