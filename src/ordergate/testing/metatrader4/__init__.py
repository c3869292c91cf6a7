"""MetaTrader 4 as the file bridge meets it: an account at a broker, a terminal, and the expert advisor.

`docs/reference/mt4-bridge.md` is the protocol. `Simulation` has all of it in one process, with a clock handed in;
`python -m ordergate.testing.metatrader4.program` runs it as a process of its own.

What begins with `dwx_` is another terminal: one with the older DWX server.
"""
