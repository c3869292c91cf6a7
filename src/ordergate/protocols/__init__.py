"""Wire formats that others defined, as pure functions: no I/O, no clock, no randomness."""
