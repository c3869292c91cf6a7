"""Sources of the configuration: a file, a key-value bucket, and a hub that keeps it for many services."""
