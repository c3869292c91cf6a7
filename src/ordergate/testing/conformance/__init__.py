"""One suite of tests a port; every adapter passes it."""
