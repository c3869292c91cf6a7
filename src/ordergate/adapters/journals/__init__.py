"""Stores of the journal and its tables."""
