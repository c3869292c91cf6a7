"""Sources of the configuration outside this machine: a hub that keeps it for many services."""
