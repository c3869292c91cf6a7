"""Kits for testing ordergate and what plugs into it."""
