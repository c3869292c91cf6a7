"""Order management and execution: every order owned from wish to end, and provable."""

__version__ = "0.1.0"
