"""What an order must pass before it may reach a broker."""
