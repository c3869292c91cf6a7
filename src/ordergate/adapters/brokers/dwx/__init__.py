"""An account behind the older DWX files, echo-only: an expert advisor that answers without naming what it answers.

Their server for MetaTrader 4 is spoken with as it was published; nothing of it is changed. What that can prove and what
not is in docs/reference/dwx.md.
"""

from ordergate.adapters.brokers.dwx.settings import DwxSettings

__all__ = ["DwxSettings"]
