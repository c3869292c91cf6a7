"""What the service does. Knows ports, not the adapters behind them."""
