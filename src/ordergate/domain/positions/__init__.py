"""What the fills add up to: positions with tax lots, and balances."""
