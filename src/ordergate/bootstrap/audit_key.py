"""The key that signs a journal, where the configuration says that it is."""

import os
from pathlib import Path

from ordergate.adapters.secrets.audit_key import VARIABLE, AuditKey, find_key, read_key
from ordergate.application.secrets import Secrets
from ordergate.bootstrap.secrets import secrets_of
from ordergate.config import Config
from ordergate.config.secret_places import audit_key_in


def find_audit_key(config: Config, beside: Path | None, secrets: Secrets | None = None) -> AuditKey | None:
    """The configured key, or one that was made beside the database; None where there is none yet.

    Args:
        beside: what a key that was made is named after.
        secrets: those in use; None reads what is needed.

    Raises:
        AuditKeyError: one is named, and cannot be used.
        SecretError: one has a name, and cannot be had.
    """
    audit, place = config.audit, audit_key_in(config)
    if place is not None and VARIABLE not in os.environ:
        found = (secrets or secrets_of(config)).hold(place)
        return read_key(audit.origin, found().reveal(), place.setting)
    return find_key(audit.origin, Path(audit.key_file) if audit.key_file else None, beside)
