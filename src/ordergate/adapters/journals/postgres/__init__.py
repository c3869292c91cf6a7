"""The journal on PostgreSQL, which several nodes may write in turns."""
