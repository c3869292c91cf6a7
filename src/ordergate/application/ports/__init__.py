"""What the service needs of the world, as small protocols; each has one conformance suite."""
