"""The world that ordergate calls: stores, brokers, market data, time, names, secrets."""
