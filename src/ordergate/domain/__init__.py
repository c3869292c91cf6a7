"""What orders, fills and positions are. Pure: no await, no clock, no randomness, no I/O."""
