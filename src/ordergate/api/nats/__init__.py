"""The door on NATS: signals and commands that come as messages."""
