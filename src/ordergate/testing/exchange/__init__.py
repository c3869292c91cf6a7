"""A fake Binance over HTTP and WebSocket: spot and USD-margined perpetuals, written from Binance's own documents.

    exchange = Exchange()
    async with serving(exchange) as url: ...

The real ccxt talks to it under Binance's own host names where `diverted` leads its connections there. It needs
`ordergate[ccxt]`, which brings aiohttp.
"""

from ordergate.testing.exchange.diverting import diverted
from ordergate.testing.exchange.faults import Fault, Faults
from ordergate.testing.exchange.server import serving
from ordergate.testing.exchange.venue import PERP, SPOT, Exchange, Refused

__all__ = ["PERP", "SPOT", "Exchange", "Fault", "Faults", "Refused", "diverted", "serving"]
