"""What is used of web3 and eth-account, imported here alone.

Importing them raises Python's recursion limit to 100,000 (py_ecc does), for the whole process: deeply nested JSON,
which is refused otherwise, would then end it by overflowing the stack. So the limit is put back.
"""

import sys

_limit = sys.getrecursionlimit()
try:
    from eth_account import Account
    from eth_account.signers.local import LocalAccount
    from web3 import AsyncHTTPProvider
    from web3.types import RPCEndpoint
finally:
    sys.setrecursionlimit(_limit)

__all__ = ["Account", "AsyncHTTPProvider", "LocalAccount", "RPCEndpoint"]
