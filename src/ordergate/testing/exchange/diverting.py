"""Leads the connections of an unmodified ccxt exchange to another address, under the host names that it believes in.

ccxt chooses Binance's table of errors by the address that it has asked: with another address in its settings it would
answer with other errors than in production. So only the connection itself is led elsewhere.
"""

from typing import Any


def diverted(exchange: Any, url: str) -> Any:
    """The same exchange, whose requests and streams all end at `url`, such as http://127.0.0.1:8000.

    To be called where an event loop runs.
    """
    import aiohttp
    import yarl

    there, session = yarl.URL(url), aiohttp.ClientSession()
    ask = session._request

    async def ask_there(method: str, asked: Any, **more: Any) -> Any:
        target = yarl.URL(str(asked), encoded=True)
        other = f"http://{there.host}:{there.port}{target.raw_path_qs}"
        return await ask(method, yarl.URL(other, encoded=True), **{**more, "ssl": False})

    object.__setattr__(session, "_request", ask_there)  # to inherit from a session is discouraged
    exchange.own_session, exchange.session, exchange.ssl_context = False, session, False
    exchange.timeout_on_exit = 0
    close = exchange.close

    async def close_both(clean_instance_data: bool = False) -> None:
        await close(clean_instance_data)
        await session.close()

    exchange.close = close_both
    return exchange
