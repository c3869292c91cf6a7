"""Stands in for the package in tests of the agent: it knows no trading, only how to return, hang, die and make noise.

A folder (`STANDIN`) says how each function behaves (`how.json`: words by function), and learns what was called.
"""

import json
import os
import sys
import time
from collections import namedtuple
from pathlib import Path

HERE = Path(os.environ["STANDIN"])
Account = namedtuple("Account", "login server currency")
Request = namedtuple("Request", "action symbol volume comment")
Result = namedtuple("Result", "retcode deal order volume request")
_last = (1, "Success")

print("the stand-in says hello on standard output")
(HERE / "pid").write_text(str(os.getpid()))


def _called(name):
    """What how.json says of that function, done; the words that are left for it."""
    global _last
    _last = (1, "Success")
    with (HERE / "calls").open("a") as file:
        file.write(f"{name}\n")
    how = json.loads((HERE / "how.json").read_text()).get(name, [])
    if "print" in how:
        print("noise " * 1_000)
        os.write(1, b"\xff\xff\xff\xff raw noise on the descriptor")
    if "hang" in how:
        while not (HERE / "go").exists():
            time.sleep(0.005)
    if "die" in how:
        os._exit(3)
    if "raise" in how:
        raise TypeError("these arguments are wrong")
    for code in how:
        if isinstance(code, int):
            _last = (code, f"error {code}")
            return None
    return how


def initialize(*args, **kwargs):
    (HERE / "initialized").write_text(json.dumps([args, kwargs]))
    return _called("initialize") is not None


def last_error():
    return _last


def version():
    return (_called("version") and None) or (500, 6231, "27 Sep 2026")


def account_info():
    if _called("account_info") is None:
        return None
    login, server = json.loads((HERE / "account.json").read_text())
    return Account(login, server, "USD")


def positions_get(*args, **kwargs):
    how = _called("positions_get")
    return None if how is None else (Account(1, repr(args), repr(sorted(kwargs.items()))),)


def symbols_total():
    return None if _called("symbols_total") is None else 7


def symbols_get(group="*"):
    return ("x" * 1_000_000,) * 17


def order_send(request):
    with (HERE / "sent").open("a") as file:
        file.write(json.dumps(request) + "\n")
    how = _called("order_send")
    if how is None:
        return None
    if "odd" in how:
        return 5
    return Result(10009, 2, 3, request["volume"], Request(1, "EURUSD", request["volume"], request["comment"]))


print("the stand-in is loaded", file=sys.stderr)
