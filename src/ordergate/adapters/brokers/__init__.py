"""Brokers and venues; none knows another."""
