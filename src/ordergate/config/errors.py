"""What is raised where a configuration cannot be used."""

from ordergate.domain.errors import OrdergateError


class ConfigError(OrdergateError):
    """A configuration that cannot be used; the text names file, key and what would be right."""
